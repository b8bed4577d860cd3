"""How a campaign goes on: rules of retry, contacts that come while it runs, what each status allows, what can
be done when it failed, deletion."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc

from callplane.campaigns.v2 import assistants_pb2, campaigns_pb2, dialing_pb2
from libs import pg
from services.campaigns.store import campaigns
from tests.integration.campaigns.dialing import dialing, replace_policy
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import Service, contacts_csv, refused
from tests.support.waiting import eventually

Campaign = campaigns_pb2.Campaign
Rule = campaigns_pb2.RetryRule
Policy = campaigns_pb2.RetryPolicy


async def test_each_outcome_is_tried_again_by_its_own_rule(service: Service) -> None:
    """CA-4: rules per outcome within one budget; what has no rule goes by the campaign's own fields."""
    outcomes = {"0": "BUSY", "1": "NO_ANSWER", "2": "VOICEMAIL", "3": "CALL_SCREENING"}
    service.calls.script = lambda request: Script(outcome=outcomes[request.customer_name.split()[1]])
    policy = Policy(
        rules=[
            Rule(outcome=Rule.BUSY, max_retries=1, delay_seconds=0),
            Rule(outcome=Rule.VOICEMAIL, max_retries=0),
            Rule(outcome=Rule.CALL_SCREENING, delay_seconds=0),
        ]
    )
    campaign = await service.campaign(contacts=4, max_attempts=3, retry_delay_seconds=0, retry_policy=policy)
    assert policy == campaign.retry_policy
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    dials = Counter(call.request.customer_name for call in service.calls.calls.values())
    assert {"Person 0": 2, "Person 1": 3, "Person 2": 1, "Person 3": 3} == dict(dials)
    contacts = await service.contacts(campaign.id)
    assert [("BUSY", 2), ("NO_ANSWER", 3), ("VOICEMAIL", 1), ("CALL_SCREENING", 3)] == [
        (one.reason, one.attempts) for one in contacts
    ]


async def test_changed_rules_do_not_concern_a_call_that_the_carrier_failed(service: Service) -> None:
    """CA-4: it used up no attempt, and its contact is called again all the same."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1, max_attempts=3, retry_delay_seconds=0)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.requests) == 1)
    await service.calls.end(service.calls.requests[0], outcome="NO_ANSWER")
    await service.until(lambda: len(service.calls.requests) == 2)
    broken = service.calls.calls[service.calls.requests[1]]
    broken.script = Script(status="FAILED", outcome="FAILED")
    broken.facts["placement_infrastructure"] = True
    await service.calls.end(broken.call_id)
    await _contact_with(service, campaign.id, lambda contact: contact.reason == "INFRASTRUCTURE")

    await service.update(campaign.id, retry_policy=Policy(rules=[Rule(outcome=Rule.FAILED, max_retries=0)]))

    [contact] = await service.contacts(campaign.id)
    assert (campaigns_pb2.Contact.PENDING, 1) == (contact.status, contact.attempts)


async def test_a_retry_without_delay_comes_after_those_who_were_never_called(service: Service) -> None:
    """CA-4: nobody is called several times in a row while others wait for their first call."""
    service.calls.script = lambda _: Script(outcome="NO_ANSWER")
    campaign = await service.campaign(contacts=3, cap=1, max_attempts=2, retry_delay_seconds=0)
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    dialed = [service.calls.calls[call_id].request.customer_name for call_id in service.calls.requests]
    assert ["Person 0", "Person 1", "Person 2", "Person 0", "Person 1", "Person 2"] == dialed


async def test_changed_rules_apply_to_whoever_waits(service: Service) -> None:
    """CA-4, CA-2: a wait of a day that is made none is over at once; one outcome less is given up."""
    outcomes = {"0": "BUSY", "1": "NO_ANSWER"}
    service.calls.script = lambda request: Script(outcome=outcomes[request.customer_name.split()[1]])
    campaign = await service.campaign(contacts=2, max_attempts=2, retry_delay_seconds=86400)
    await service.start(campaign.id)

    async def both_wait() -> bool:
        return all(one.HasField("next_attempt_at") for one in await service.contacts(campaign.id))

    await eventually(both_wait)
    rules = [Rule(outcome=Rule.BUSY, delay_seconds=0), Rule(outcome=Rule.NO_ANSWER, max_retries=0)]
    await service.update(campaign.id, retry_policy=Policy(rules=rules))

    await service.until_status(campaign.id, "COMPLETED")
    contacts = await service.contacts(campaign.id)
    assert [("BUSY", 2), ("NO_ANSWER", 1)] == [(one.reason, one.attempts) for one in contacts]


async def test_what_makes_no_sense_is_refused(service: Service) -> None:
    """CA-2, CA-4: rules, and a campaign of batches that shall wait for contacts."""
    for rules in (
        [Rule(outcome=Rule.BUSY), Rule(outcome=Rule.BUSY)],
        [Rule(max_retries=1)],
        [Rule(outcome=Rule.BUSY, max_retries=10)],
        [Rule(outcome=Rule.BUSY, delay_seconds=-1)],
        [Rule(outcome=Rule.BUSY, dayparts=[Rule.DAYPART_UNSPECIFIED])],
        [Rule(outcome=Rule.BUSY, dayparts=[Rule.MORNING, Rule.MORNING])],
    ):
        refusal = await refused(service.campaign(retry_policy=Policy(rules=rules)))
        assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") == (refusal.code, refusal.reason)

    refusal = await refused(service.campaign(auto_enroll=True, mode=Campaign.BATCH))
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal.code
    campaign = await service.campaign(mode=Campaign.BATCH)
    refusal = await refused(service.update(campaign.id, auto_enroll=True))
    assert (grpc.StatusCode.FAILED_PRECONDITION, "CAMPAIGN_CANNOT_ENROLL") == (refusal.code, refusal.reason)


async def test_what_was_not_made_uses_up_no_attempt(service: Service) -> None:
    """CA-4: a call refused for want of a line, and one whose placement was never found after a crash."""
    refusals = [
        Script(result="REFUSED", reason="NO_LINE_FREE", infrastructure=True),
        Script(result="REFUSED", reason="RATE_LIMITED", infrastructure=True),
    ]
    service.calls.script = lambda _: refusals.pop() if refusals else Script()
    campaign = await service.campaign(contacts=1, max_attempts=1)
    await service.start(campaign.id)

    done = await service.until_status(campaign.id, "COMPLETED")

    [contact] = await service.contacts(campaign.id)
    assert (1, "HUMAN", 1) == (contact.attempts, contact.reason, done.stats.attempts)
    assert 3 == len(await service.attempts(campaign.id))


async def test_a_campaign_that_enrolls_calls_whoever_is_added_and_never_completes(service: Service) -> None:
    """CA-2: contacts that come by a request or a file while it runs are called at once."""
    campaign = await service.campaign(auto_enroll=True, cap=2)
    started = await service.start(campaign.id)
    assert (Campaign.QUEUED, True) == (started.status, started.auto_enroll)

    added = await service.add_contacts(campaign.id, "514 555 0101", "5145550101", "911", "+33612345678")
    assert (2, 1, [(3, "phone")]) == (
        added.accepted,
        added.duplicates,
        [(one.row, one.field) for one in added.rejected],
    )
    await service.until(lambda: len(service.calls.calls) == 2)
    await service.load(campaign.id, contacts_csv(3, first=15145559000))
    await service.until(lambda: len(service.calls.calls) == 5)

    async def all_done() -> bool:
        return (await service.get(campaign.id)).stats.pending == 0

    await eventually(all_done)
    assert Campaign.RUNNING == (await service.get(campaign.id)).status

    ended = await service.update(campaign.id, auto_enroll=False)
    assert Campaign.COMPLETED == ended.status
    refusal = await refused(service.add_contacts(campaign.id, "+15145550199"))
    assert (grpc.StatusCode.FAILED_PRECONDITION, "COMPLETED") == (refusal.code, refusal.metadata["status"])


async def test_a_failed_campaign_goes_on_with_another_assistant(service: Service) -> None:
    """CA-2: FAILED when its assistant is gone; set another one, resume."""
    gone = Script(result="REFUSED", reason="ASSISTANT_NOT_FOUND", infrastructure=True)
    first, second = await service.assistant(), await service.assistant(name="Another")
    service.calls.script = lambda request: (
        gone if request.provider_assistant_id == first.provider_assistant_id else Script()
    )
    campaign = await service.campaign(contacts=3, cap=1, assistant_id=first.id)
    await service.start(campaign.id)
    failed = await service.until_status(campaign.id, "FAILED")
    assert "ASSISTANT_NOT_FOUND" == failed.failure_reason

    await service.assistants.DeleteAssistant(
        assistants_pb2.DeleteAssistantRequest(id=first.id), metadata=service.metadata()
    )
    refusal = await refused(service.resume(campaign.id))
    assert (grpc.StatusCode.FAILED_PRECONDITION, "CAMPAIGN_ASSISTANT_GONE") == (refusal.code, refusal.reason)
    assert "set another one" in refusal.message

    await service.update(campaign.id, assistant_id=second.id)
    resumed = await service.resume(campaign.id)
    assert ("", second.id) == (resumed.failure_reason, resumed.assistant_id)
    done = await service.until_status(campaign.id, "COMPLETED")
    assert (3, 3) == (done.stats.attempts, done.stats.by_status["ENDED"])


async def test_each_status_says_what_it_does_not_allow_and_why(service: Service) -> None:
    """CA-2: start twice, pause a finished one, change the assistant after the start."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1)
    other = await service.assistant(name="Another")
    refusals: list[tuple[Awaitable[Any], str, str]] = [
        (service.pause(campaign.id), "CREATED", "QUEUED or DIALING or RUNNING can be paused"),
        (service.resume(campaign.id), "CREATED", "PAUSED or FAILED can be resumed"),
    ]
    for call, status, words in refusals:
        await _wrong_status(call, status, words)
    await service.update(campaign.id, assistant_id=other.id, phone_number_id="phone-2")
    await service.start(campaign.id)
    await service.until_status(campaign.id, "DIALING")
    assert ["phone-2"] == [call.request.phone_number_id for call in service.calls.calls.values()]

    refusals = [
        (service.start(campaign.id), "DIALING", "only one that is CREATED can be started"),
        (service.resume(campaign.id), "DIALING", "can be resumed"),
        (service.delete(campaign.id), "DIALING", "can be deleted"),
        (service.update(campaign.id, assistant_id=other.id), "DIALING", "given another assistant"),
        (service.update(campaign.id, phone_number_id="p"), "DIALING", "given another phone number"),
    ]
    for call, status, words in refusals:
        await _wrong_status(call, status, words)
    await service.pause(campaign.id)
    await _wrong_status(service.pause(campaign.id), "PAUSED", "can be paused")
    await _wrong_status(service.start(campaign.id), "PAUSED", "can be started")
    await service.cancel(campaign.id)
    refusals = [
        (service.pause(campaign.id), "CANCELED", "can be paused"),
        (service.start(campaign.id), "CANCELED", "can be started"),
        (service.resume(campaign.id), "CANCELED", "can be resumed"),
        (service.cancel(campaign.id), "CANCELED", "can be canceled"),
        (service.update(campaign.id, cap=3), "CANCELED", "can be changed"),
        (service.load(campaign.id, contacts_csv(1)), "CANCELED", "given contacts"),
    ]
    for call, status, words in refusals:
        await _wrong_status(call, status, words)


async def test_a_campaign_is_deleted_when_its_calls_are_over(service: Service) -> None:
    """CA-2: from all lists, but not before its calls have ended."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=2, cap=1)
    await service.start(campaign.id)
    await service.until_status(campaign.id, "DIALING")
    await service.cancel(campaign.id)

    refusal = await refused(service.delete(campaign.id))
    assert ("CAMPAIGN_HAS_OPEN_CALLS", "1") == (refusal.reason, refusal.metadata["open_calls"])
    [call_id] = service.calls.calls
    await service.calls.end(call_id)

    async def deleted() -> bool:
        try:
            await service.delete(campaign.id)
        except grpc.aio.AioRpcError:
            return False
        return True

    await eventually(deleted)
    for call in (service.get(campaign.id), service.contacts(campaign.id), service.delete(campaign.id)):
        assert "CAMPAIGN_NOT_FOUND" == (await refused(call)).reason
    listed = await service.campaigns.ListCampaigns(
        campaigns_pb2.ListCampaignsRequest(), metadata=service.metadata()
    )
    assert [] == list(listed.campaigns)
    # What is told of it afterwards is still taken.
    await service.calls.report(call_id)

    async def reported() -> bool:
        [row] = await service.database.fetch("SELECT cost_usd FROM campaigns.attempts")
        return row["cost_usd"] is not None

    await eventually(reported)


async def test_an_import_is_taken_back(service: Service) -> None:
    """CA-1: who was not dialed goes, who was dialed is told; a corrected file brings them again."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(cap=1)
    good = await service.load(campaign.id, contacts_csv(2))
    bad = await service.load(campaign.id, contacts_csv(4, first=15145559000) + b"Nobody,,12\n")
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 1)

    undone = await service.undo(campaign.id, bad.import_id)
    assert (4, 0, 0) == (undone.undo.removed, undone.undo.withdrawn, undone.undo.kept)
    assert [(6, "phone", "12")] == [(one.row, one.field, one.value) for one in undone.rejected]
    assert undone == await service.undo(campaign.id, bad.import_id)
    partly = await service.undo(campaign.id, good.import_id)
    assert (1, 0, 1) == (partly.undo.removed, partly.undo.withdrawn, partly.undo.kept)
    found = await service.get(campaign.id)
    assert (1, 1, 1) == (found.total_contacts, found.stats.contacts, len(await service.contacts(campaign.id)))

    again = await service.load(campaign.id, contacts_csv(4, first=15145559000))
    assert (4, 0) == (again.accepted, again.duplicates)
    newest, *_, oldest = await service.imports(campaign.id, page_size=1)
    assert (again.import_id, good.import_id) == (newest.id, oldest.id)
    assert [] == list(newest.rejected)
    missing = await refused(service.undo(campaign.id, campaign.id))
    assert (grpc.StatusCode.NOT_FOUND, "IMPORT_NOT_FOUND") == (missing.code, missing.reason)


async def test_who_had_a_decision_on_record_is_withdrawn_and_may_come_again(service: Service) -> None:
    """CA-1: a contact whose call was refused for want of a line was never dialed; its verdict stays."""
    service.calls.script = lambda _: Script(result="REFUSED", reason="NO_LINE_FREE", infrastructure=True)
    campaign = await service.campaign(contacts=2, cap=1, auto_enroll=True)
    await service.start(campaign.id)

    async def refused_once() -> bool:
        return bool(await service.attempts(campaign.id))

    await eventually(refused_once)
    await service.pause(campaign.id)

    async def at_rest() -> bool:
        return (await service.get(campaign.id)).stats.active == 0

    await eventually(at_rest)
    [found] = await service.imports(campaign.id)

    undone = (await service.undo(campaign.id, found.id)).undo
    assert (1, 1, 0) == (undone.removed, undone.withdrawn, undone.kept)
    [contact] = await service.contacts(campaign.id)
    assert (campaigns_pb2.Contact.SKIPPED, "IMPORT_UNDONE") == (contact.status, contact.reason)
    again = await service.load(campaign.id, contacts_csv(2))
    assert (2, 0) == (again.accepted, again.duplicates)
    waiting = await service.update(campaign.id, auto_enroll=False)
    assert (2, 2, 2) == (waiting.total_contacts, waiting.stats.contacts, waiting.stats.pending)
    undone = (await service.undo(campaign.id, again.import_id)).undo
    assert (1, 1, 0) == (undone.removed, undone.withdrawn, undone.kept)
    done = await service.get(campaign.id)
    assert (Campaign.COMPLETED, 1, 1) == (done.status, done.total_contacts, done.stats.skipped)


async def test_a_campaign_waits_for_a_quiet_line(service: Service) -> None:
    """CA-7: it dials only when nobody else is on its number; its own calls do not count."""
    service.calls.script = lambda _: Script(seconds=None)
    service.calls.others_on_line = 1
    quiet = await service.campaign(contacts=2, cap=2, line_quiet=True)
    other = await service.campaign(contacts=1, first=15145559000, phone_number_id="phone-2")
    await service.start(quiet.id)
    await service.start(other.id)
    await service.until(lambda: len(service.calls.requests) == 1)
    assert [other.id] == [call.request.campaign_id for call in service.calls.calls.values()]

    service.calls.others_on_line = 0
    # The end of any call is a reason to look again.
    await service.calls.end(service.calls.requests[0])

    await service.until(lambda: len(service.calls.requests) == 3)
    assert (await service.update(quiet.id, line_quiet=False)).line_quiet is False


async def test_who_asks_for_it_is_called_back_at_that_time_before_anybody_else(service: Service) -> None:
    """CA-9: beyond the budget of attempts, ahead of contacts who were never called, once."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=3, cap=1, max_attempts=1)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 1)
    [first] = service.calls.calls
    wanted_at = datetime.now(UTC) + timedelta(seconds=1)
    await service.calls.ask_to_call_back(first, at=wanted_at)
    await service.calls.end(first)
    await service.until(lambda: len(service.calls.requests) == 2)
    waiting = (await service.contacts(campaign.id))[0]
    assert (campaigns_pb2.Contact.PENDING, "CALLBACK") == (waiting.status, waiting.reason)
    assert abs(waiting.callback_at.ToDatetime(tzinfo=UTC) - wanted_at) < timedelta(milliseconds=1)

    async def due() -> bool:
        return datetime.now(UTC) > wanted_at

    await eventually(due)
    # The line of the second contact is free after that time: the third has to wait.
    await service.calls.end(service.calls.requests[1])
    await service.until(lambda: len(service.calls.requests) == 3)
    called_back = service.calls.calls[service.calls.requests[2]]
    assert waiting.id == called_back.request.contact_id
    await service.calls.end(called_back.call_id)
    await service.until(lambda: len(service.calls.requests) == 4)
    await service.calls.end(service.calls.requests[3])

    await service.until_status(campaign.id, "COMPLETED")
    contacts = await service.contacts(campaign.id)
    assert [("HUMAN", 2), ("HUMAN", 1), ("HUMAN", 1)] == [(one.reason, one.attempts) for one in contacts]
    assert not any(one.HasField("callback_at") for one in contacts)


async def test_a_turn_is_as_of_when_it_began_and_not_of_when_it_was_wanted(service: Service) -> None:
    """What fell due while a campaign's turn waited for another one's end counts in it."""
    campaign_id = UUID((await service.campaign()).id)
    async with service.database.pool("campaigns_worker") as pool:
        async with pg.transaction(pool) as other:
            await campaigns.lock(other, campaign_id)
            waiting = asyncio.create_task(_locked_at(pool, campaign_id))
            await service.database.fetch("SELECT pg_sleep(0.3)")
            ended_at = datetime.now(UTC)
        assert await waiting >= ended_at


async def _locked_at(pool: pg.Pool, campaign_id: UUID) -> datetime:
    async with pg.transaction(pool) as conn:
        locked = await campaigns.lock(conn, campaign_id)
        assert locked is not None
        return locked.now


async def test_a_wish_to_be_called_back_outlasts_a_change_of_rules(service: Service) -> None:
    """CA-9: who waited for another reason when they asked is not called before their time."""
    service.calls.script = lambda _: Script(outcome="NO_ANSWER")
    once_a_day = dialing_pb2.FrequencyCap(contacts_max=1, period_hours=24)
    await replace_policy(service, frequency_cap=once_a_day)
    campaign = await service.campaign(contacts=1, max_attempts=2, retry_delay_seconds=0)
    await service.start(campaign.id)
    await _contact_with(service, campaign.id, lambda contact: contact.wait_reason == "FREQUENCY_CAP")
    wanted_at = datetime.now(UTC) + timedelta(hours=1)
    await service.calls.ask_to_call_back(service.calls.requests[0], at=wanted_at)
    await _contact_with(service, campaign.id, lambda contact: contact.HasField("callback_at"))
    await service.update(campaign.id, max_attempts=1)

    await replace_policy(service)

    [contact] = await service.contacts(campaign.id)
    assert contact.callback_at == contact.next_attempt_at
    request = dialing_pb2.PreflightCampaignRequest(id=campaign.id)
    preflight = await dialing(service).PreflightCampaign(request, metadata=service.metadata())
    assert ["NOT_DUE"] == [one.reason for one in preflight.reasons]


async def _contact_with(
    service: Service, campaign_id: str, probe: Callable[[campaigns_pb2.Contact], bool]
) -> None:
    async def look() -> bool:
        [contact] = await service.contacts(campaign_id)
        return probe(contact)

    await eventually(look)


async def _wrong_status(call: Awaitable[Any], status: str, words: str) -> None:
    refusal = await refused(call)
    assert (grpc.StatusCode.FAILED_PRECONDITION, "CAMPAIGN_WRONG_STATUS", status) == (
        refusal.code,
        refusal.reason,
        refusal.metadata["status"],
    )
    assert words in refusal.message
