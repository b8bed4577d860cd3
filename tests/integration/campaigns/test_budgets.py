"""Money: reserved before each dial, trued up after, and never taken for nothing when nobody tells it."""

import asyncio
from uuid import UUID

import grpc

from callplane.campaigns.v2 import campaigns_pb2, dialing_pb2
from libs import pg
from services.campaigns.domain.budgets import Hold
from services.campaigns.store import holds
from tests.integration.campaigns.dialing import (
    dialing,
    replace_own,
    replace_policy,
    state,
    told,
    verdicts,
)
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import FIRST_PHONE, ORG, Service, refused
from tests.support.waiting import eventually


async def until_budget(
    service: Service, campaign_id: str, *, spent: str, reserved: str
) -> dialing_pb2.DialingState:
    async def look() -> dialing_pb2.DialingState | None:
        found = await state(service, campaign_id)
        budget = found.campaign_budget
        return found if (budget.spent_usd, budget.reserved_usd) == (spent, reserved) else None

    found = await eventually(look)
    assert found is not None
    return found


async def test_a_campaign_dials_as_far_as_its_budget_goes(service: Service) -> None:
    """CA-5: the most a call may cost is reserved before it is dialed, its cost takes the place after."""
    service.calls.script = lambda _: Script(seconds=None, cost_usd="0.1250")
    campaign = await service.campaign(contacts=20, cap=10)
    policy = await replace_own(service, campaign.id, budget_usd="1.20", call_cost_max_usd="0.5")
    assert ("1.2000", "0.5000") == (policy.budget_usd, policy.call_cost_max_usd)
    await service.start(campaign.id)

    await until_budget(service, campaign.id, spent="0.0000", reserved="1.0000")
    await service.until(lambda: len(service.calls.calls) == 2)

    async def held() -> dialing_pb2.DialingState | None:
        found = await state(service, campaign.id)
        return found if found.HasField("held_since") else None

    found = await eventually(held)
    assert found is not None
    assert ("CAMPAIGN_BUDGET", "1.2000") == (found.hold_reason, found.campaign_budget.limit_usd)
    assert {("DIAL", "FIRST_ATTEMPT"): 2, ("WAIT", "CAMPAIGN_BUDGET"): 1} == told(
        await verdicts(service, campaign.id)
    )

    first, second = service.calls.calls
    await service.calls.end(first)
    # The cost comes with the report, and it may come twice.
    await service.calls.report(first)
    await service.calls.report(first)
    await until_budget(service, campaign.id, spent="0.1250", reserved="1.0000")
    await service.until(lambda: len(service.calls.calls) == 3)
    # A cost that is corrected later counts as it is.
    service.calls.calls[first].facts["cost_usd"] = "0.3000"
    await service.calls.tell("callplane.call.reported.v1", service.calls.calls[first])
    await until_budget(service, campaign.id, spent="0.3000", reserved="1.0000")

    # A call whose report never comes keeps what was reserved for it, and says so.
    await service.calls.end(second)

    async def without_cost() -> bool:
        found = await state(service, campaign.id)
        return (found.calls_without_cost, found.reserved_without_cost_usd) == (1, "0.5000")

    await eventually(without_cost)
    assert 3 == len(service.calls.calls)

    await replace_own(service, campaign.id, budget_usd="4", call_cost_max_usd="0.5")
    await until_budget(service, campaign.id, spent="0.3000", reserved="3.5000")
    await service.until(lambda: len(service.calls.calls) == 8)
    await replace_own(service, campaign.id)
    await service.until(lambda: len(service.calls.active) == 10)
    found = await state(service, campaign.id)
    assert "" == found.hold_reason
    assert not found.campaign_budget.HasField("limit_usd")
    await service.cancel(campaign.id)


async def test_campaigns_share_their_organizations_budget(service: Service) -> None:
    """CA-5: the organization's budget holds over campaigns that dial at the same moment."""
    service.calls.script = lambda _: Script(seconds=None)
    budget = dialing_pb2.OrganizationBudget(limit_usd="2.5", period_days=1)
    policy = await replace_policy(service, budget=budget, call_cost_max_usd="0.4")
    assert ("2.5000", 1, "0.4000") == (
        policy.budget.limit_usd,
        policy.budget.period_days,
        policy.call_cost_max_usd,
    )
    campaigns = [
        await service.campaign(contacts=5, cap=5, first=FIRST_PHONE + 10 * number) for number in range(4)
    ]
    for campaign in campaigns:
        await service.start(campaign.id)

    async def all_decided() -> bool:
        dialed = len(service.calls.calls)
        holds = [(await state(service, one.id)).hold_reason for one in campaigns]
        return dialed == 6 and holds == ["ORGANIZATION_BUDGET"] * 4

    await eventually(all_decided)
    found = await state(service, campaigns[0].id)
    assert ("0.0000", "2.4000") == (
        found.organization_budget.spent_usd,
        found.organization_budget.reserved_usd,
    )
    assert found.HasField("held_until")

    # What one campaign's calls did not cost is there for all of them: 2.5 - 0.1250 - 5 * 0.4 pays for none,
    # the second report frees enough for one.
    first, second, *_ = service.calls.calls
    for call_id in (first, second):
        await service.calls.end(call_id)
        await service.calls.report(call_id)

    async def trued_up() -> bool:
        shared = (await state(service, campaigns[0].id)).organization_budget
        return (shared.spent_usd, shared.reserved_usd) == ("0.2500", "2.0000")

    await eventually(trued_up)
    await service.until(lambda: len(service.calls.calls) == 7)


async def test_a_call_that_was_certainly_not_made_costs_nothing(service: Service) -> None:
    """CA-5: refused is released; one that may have been made keeps its reservation."""
    results = {
        "0": Script(result="REFUSED", reason="INVALID_NUMBER"),
        "1": Script(result="UNKNOWN", reason="TIMEOUT", made=False),
    }
    service.calls.script = lambda request: results[request.customer_name.split()[1]]
    campaign = await service.campaign(contacts=2, cap=2)
    await replace_own(service, campaign.id, call_cost_max_usd="0.7")
    await service.start(campaign.id)

    async def unknown() -> str | None:
        found = await service.attempts(campaign.id)
        return next((one.id for one in found if one.state == campaigns_pb2.Attempt.UNKNOWN), None)

    attempt_id = await eventually(unknown)
    assert attempt_id is not None
    await service.calls.was_never_made(attempt_id)
    await service.until_status(campaign.id, "COMPLETED")

    found = await until_budget(service, campaign.id, spent="0.0000", reserved="0.7000")
    assert 1 == found.calls_without_cost


async def test_amounts_have_to_be_amounts(service: Service) -> None:
    campaign = await service.campaign()
    for wrong in ("0", "0.0000", "-1", "1e3", "1.00001", "NaN", "", "1,5"):
        answer = await refused(replace_own(service, campaign.id, budget_usd=wrong))
        assert grpc.StatusCode.INVALID_ARGUMENT == answer.code, wrong
    budget = dialing_pb2.OrganizationBudget(limit_usd="10", period_days=32)
    assert "INVALID_ARGUMENT" == (await refused(replace_policy(service, budget=budget))).reason


async def test_a_provider_that_is_down_burns_no_contact(service: Service) -> None:
    """V13: attempts are kept, the verdict says why, and dialing resumes by itself."""
    service.calls.script = lambda _: (
        Script(result="REFUSED", reason="CIRCUIT_OPEN", infrastructure=True)
        if len(service.calls.requests) <= 1
        else Script()
    )
    campaign = await service.campaign(contacts=3, cap=1)
    await service.start(campaign.id)

    async def noted() -> bool:
        return told(await verdicts(service, campaign.id))["WAIT", "CIRCUIT_OPEN"] == 1

    await eventually(noted)
    assert [0, 0, 0] == [one.attempts for one in await service.contacts(campaign.id)]
    found = await state(service, campaign.id)
    assert (True, True) == (found.HasField("provider_limit"), found.HasField("provider_probe_at"))

    done = await service.until_status(campaign.id, "COMPLETED")
    assert 3 == done.stats.attempts
    await until_budget(service, campaign.id, spent="0.3750", reserved="0.0000")


async def test_a_preflight_tells_who_would_not_be_called_and_changes_nothing(service: Service) -> None:
    """CA-5: counts by reason, a page of contacts, and then it comes as it was told."""
    campaign = await service.campaign(cap=10)
    rows = [f"Ann {number},A,+{FIRST_PHONE + number}" for number in range(200)]
    rows += [f"Cam {number},C,+8001234{5000 + number}" for number in range(40)]
    await service.load(campaign.id, "\n".join(["name,business_name,phone", *rows]).encode())
    always = [dialing_pb2.CallingWindow(day=day, opens="00:00", closes="24:00") for day in range(1, 8)]
    await replace_own(service, campaign.id, calling_hours=always)
    await service.database.execute(
        f"""
        INSERT INTO campaigns.suppressions (org_id, phone, channel)
        SELECT org_id, phone, 'VOICE' FROM campaigns.contacts WHERE phone < '+{FIRST_PHONE + 150}'
        """  # noqa: S608  a number of this file
    )

    async def preflight(**fields: object) -> dialing_pb2.PreflightCampaignResponse:
        request = dialing_pb2.PreflightCampaignRequest(id=campaign.id, **fields)  # type: ignore[arg-type]
        return await dialing(service).PreflightCampaign(request, metadata=service.metadata())

    found = await preflight(page_size=100)

    counts = {one.reason: one.contacts for one in found.reasons}
    assert (240, {"SUPPRESSED": 150, "FIRST_ATTEMPT": 50, "TIME_ZONE_UNKNOWN": 40}) == (
        found.contacts,
        counts,
    )
    rest = await preflight(page_size=100, page_token=found.next_page_token)
    assert (100, 90, "") == (
        len(found.contacts_not_dialed),
        len(rest.contacts_not_dialed),
        rest.next_page_token,
    )
    names = [one.name for page in (found, rest) for one in page.contacts_not_dialed]
    assert [f"Ann {n}" for n in range(150)] + [f"Cam {n}" for n in range(40)] == names
    # Nothing is known yet about what calls are like.
    assert not found.HasField("finishes_at")
    assert not found.HasField("cost_low_usd")
    assert [] == await verdicts(service, campaign.id)

    small = await service.campaign(contacts=3, first=FIRST_PHONE + 900)
    await service.start(small.id)
    await service.until_status(small.id, "COMPLETED")

    async def priced() -> dialing_pb2.PreflightCampaignResponse | None:
        answer = await preflight()
        return answer if answer.HasField("cost_low_usd") else None

    known = await eventually(priced)
    assert known is not None
    assert ("6.2500", "6.2500") == (known.cost_low_usd, known.cost_high_usd)
    assert known.finishes_at.seconds > 0

    await service.start(campaign.id)
    done = await service.until_status(campaign.id, "COMPLETED", within_seconds=40)
    assert (50, 190) == (done.stats.attempts, done.stats.skipped)
    answer = await refused(preflight())
    assert ("CAMPAIGN_WRONG_STATUS", grpc.StatusCode.FAILED_PRECONDITION) == (answer.reason, answer.code)


async def test_a_call_that_the_carrier_failed_is_made_again_and_uses_up_no_attempt(service: Service) -> None:
    """CA-4, V13: placed, and then failed by the carrier; the contact has its one attempt still."""
    service.calls.script = lambda _: Script(seconds=None, status="FAILED", outcome="FAILED")
    campaign = await service.campaign(contacts=1, max_attempts=1)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 1)
    [call_id] = service.calls.calls
    service.calls.calls[call_id].facts["placement_infrastructure"] = True
    await service.calls.end(call_id)

    async def forgiven() -> campaigns_pb2.Contact | None:
        [contact] = await service.contacts(campaign.id)
        return contact if contact.reason == "INFRASTRUCTURE" else None

    contact = await eventually(forgiven)
    assert contact is not None
    assert (campaigns_pb2.Contact.PENDING, 0) == (contact.status, contact.attempts)

    # As if the minute were over.
    service.calls.script = lambda _: Script()
    await service.database.execute("UPDATE campaigns.contacts SET next_attempt_at = now()")
    await service.update(campaign.id, cap=2)
    await service.until_status(campaign.id, "COMPLETED")

    [contact] = await service.contacts(campaign.id)
    assert ("HUMAN", 1) == (contact.reason, contact.attempts)
    assert [2, 1] == [one.number for one in await service.attempts(campaign.id)]


async def test_who_frees_money_waits_for_nobody_who_does_so_too(service: Service) -> None:
    """CA-5: both hold a campaign's lock, and may want the other's next."""
    held, also_held = [UUID((await service.campaign()).id) for _ in range(2)]
    hold = Hold(reason="ORGANIZATION_BUDGET")
    async with service.database.pool("campaigns_worker") as pool:
        async with pg.transaction(pool) as conn:
            for campaign_id in (held, also_held):
                await holds.save(conn, hold, campaign_id=campaign_id, org_id=ORG)
        async with pg.transaction(pool) as one, pg.transaction(pool) as other:
            await holds.lift(one, held)
            async with asyncio.timeout(2):
                await holds.lift_unlocked(other, ORG)

            assert await holds.find(other, also_held) is None
            assert await holds.find(other, held) is not None
