"""Unknown placements, crashes, lost and repeated news: no second call, no lost slot."""

import asyncio
import random
from collections import Counter
from uuid import uuid4

import pytest

from callplane.campaigns.v2 import campaigns_pb2
from libs import failpoints, pg
from libs.errors import ServiceError
from libs.rpc import Peer
from services.campaigns.calls_client import CallsClient
from services.campaigns.domain.attempts import Result
from services.campaigns.domain.dialing import Dial
from services.campaigns.store import campaigns
from tests.integration.campaigns.conftest import StartService
from tests.integration.campaigns.dialing import closed_hours, replace_own
from tests.integration.campaigns.fake_calls import FakeCalls, FakeTrouble, Script
from tests.integration.campaigns.harness import ORG, Service, signer
from tests.support.waiting import eventually

Attempt = campaigns_pb2.Attempt


async def _state(service: Service, campaign_id: str, state: str) -> Attempt:
    async def look() -> Attempt | None:
        found = await service.attempts(campaign_id)
        return next((one for one in found if Attempt.State.Name(one.state) == state), None)

    found = await eventually(look)
    assert found is not None
    return found


async def test_an_unknown_placement_keeps_its_slot_until_it_is_known_to_be_made(service: Service) -> None:
    service.calls.script = lambda _: Script(result="UNKNOWN", reason="TIMEOUT")
    campaign = await service.campaign(contacts=2, cap=1)
    await service.start(campaign.id)
    unknown = await _state(service, campaign.id, "UNKNOWN")
    assert "TIMEOUT" == unknown.reason
    assert 1 == (await service.get(campaign.id)).stats.active
    assert 1 == len(service.calls.requests)

    service.calls.script = lambda _: Script()
    await service.calls.connect(unknown.id)

    await service.until_status(campaign.id, "COMPLETED")
    assert {1} == set(Counter(service.calls.requests).values())
    assert (2, 1) == (len(service.calls.calls), service.calls.max_active)


async def test_an_unknown_placement_that_was_never_made_frees_its_slot(service: Service) -> None:
    service.calls.script = lambda _: Script(result="UNKNOWN", reason="TIMEOUT", made=False)
    campaign = await service.campaign(contacts=1)
    await service.start(campaign.id)
    unknown = await _state(service, campaign.id, "UNKNOWN")

    await service.calls.was_never_made(unknown.id)

    done = await service.until_status(campaign.id, "COMPLETED")
    assert {"FAILED": 1} == dict(done.stats.by_status)
    assert not done.HasField("started_at")
    [attempt] = await service.attempts(campaign.id)
    assert ("REFUSED", "NOT_PLACED") == (Attempt.State.Name(attempt.state), attempt.reason)


async def test_a_crash_between_intent_and_request_sends_the_same_attempt_later(
    start_service: StartService,
) -> None:
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        failpoints.configure("dial.before_post=error#1")
        campaign = await service.campaign(contacts=3, cap=1)
        await service.start(campaign.id)

        await service.until_status(campaign.id, "COMPLETED")

        attempts = await service.attempts(campaign.id)
        assert Counter(one.id for one in attempts) == Counter(service.calls.requests)
        assert 3 == len(service.calls.calls)


@pytest.mark.parametrize(
    "place", ["dial.after_post", "dial.after_commit", "permit.before_release", "dial.before_intent"]
)
async def test_a_crash_anywhere_else_ends_with_every_contact_called_once(
    start_service: StartService, place: str
) -> None:
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        failpoints.configure(f"{place}=error#2")
        campaign = await service.campaign(contacts=6, cap=2)
        await service.start(campaign.id)

        await service.until_status(campaign.id, "COMPLETED")

        assert 6 == len(service.calls.calls)
        assert service.calls.max_active <= 2


async def test_a_restarted_service_goes_on_where_it_stopped(
    start_service: StartService, calls: FakeCalls
) -> None:
    calls.script = lambda _: Script(seconds=0.4)
    async with start_service() as service:
        campaign = await service.campaign(contacts=12, cap=3)
        await service.start(campaign.id)
        await service.until(lambda: len(calls.calls) >= 5)
    async with start_service() as service:
        await service.until_status(campaign.id, "COMPLETED")

    assert (12, 3) == (len(calls.calls), calls.max_active)


async def test_two_processes_keep_one_cap(start_service: StartService, calls: FakeCalls) -> None:
    calls.script = lambda _: Script(seconds=None if len(calls.requests) <= 4 else 0.1)
    async with start_service() as one, start_service():
        campaign = await one.campaign(contacts=30, cap=4)
        await one.start(campaign.id)
        await one.until(lambda: len(calls.active) == 4)
        for call_id in list(calls.active):
            await calls.end(call_id)
        await one.until_status(campaign.id, "COMPLETED")

    assert (30, 4) == (len(calls.calls), calls.max_active)


async def test_calls_that_does_not_answer_gets_the_same_request_again(start_service: StartService) -> None:
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        # More than the channel itself retries; one struck after the call was placed.
        service.calls.fail_before = [FakeTrouble() for _ in range(4)]
        service.calls.fail_after = [FakeTrouble() for _ in range(4)]
        campaign = await service.campaign(contacts=3, cap=1)
        await service.start(campaign.id)

        await service.until_status(campaign.id, "COMPLETED", within_seconds=30)

        assert 3 == len(service.calls.calls)


async def test_news_that_come_twice_and_in_any_order_change_nothing(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=5, cap=5)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 5)
    for call_id in list(service.calls.active):
        await service.calls.pick_up(call_id)
        await service.calls.end(call_id)
        await service.calls.report(call_id)
    await service.until_status(campaign.id, "COMPLETED")
    before = (await service.get(campaign.id)).stats, await service.attempts(campaign.id)

    again = list(service.calls.log.events)
    random.shuffle(again)
    for event in again:
        event.id = str(uuid4())
        await _append(service, event)
    [row] = await service.database.fetch("SELECT count(*) FROM campaigns.dead_events")

    async def read() -> bool:
        found = await service.database.fetch(
            "SELECT cursor FROM campaigns.cursors WHERE consumer = 'campaigns.calls'"
        )
        return bool(found[0]["cursor"] == str(len(service.calls.log.events)))

    await eventually(read)
    after = (await service.get(campaign.id)).stats, await service.attempts(campaign.id)
    assert before == after
    assert (0, 5) == (row[0], len(service.calls.calls))


async def _append(service: Service, event: object) -> None:
    log = service.calls.log
    async with log._more:
        log.events.append(event)  # type: ignore[arg-type]
        log._more.notify_all()


async def test_an_end_told_before_the_placement_counts(service: Service) -> None:
    """The provider's webhook may be folded before the answer to our own request is recorded."""
    failpoints.configure("dial.after_post=sleep:300")
    service.calls.script = lambda _: Script(seconds=0.02)
    campaign = await service.campaign(contacts=2, cap=1)
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    assert ["ENDED", "ENDED"] == [
        Attempt.State.Name(one.state) for one in await service.attempts(campaign.id)
    ]


async def test_a_call_nothing_is_heard_of_is_looked_up(start_service: StartService) -> None:
    async with start_service(stuck_seconds=0.3) as service:
        service.calls.script = lambda _: Script(seconds=None)
        campaign = await service.campaign(contacts=1)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.active) == 1)
        [call_id] = service.calls.calls

        await service.calls.end(call_id, tell=False)
        await service.calls.report(call_id, tell=False)

        done = await service.until_status(campaign.id, "COMPLETED")
        assert call_id in service.calls.looked_up
        assert "0.1250" == done.stats.total_cost_usd


async def test_an_intent_of_a_paused_campaign_is_given_back_instead_of_sent(
    start_service: StartService,
) -> None:
    async with start_service(intent_seconds=0.6, place_seconds=0.3) as service:
        failpoints.configure("dial.before_post=error")
        campaign = await service.campaign(contacts=1)
        await service.start(campaign.id)
        await _state(service, campaign.id, "INTENT")
        await service.pause(campaign.id)

        refused = await _state(service, campaign.id, "REFUSED")
        failpoints.configure("")
        assert "NOT_WANTED" == refused.reason
        assert [] == service.calls.requests
        [contact] = await service.contacts(campaign.id)
        assert (0, campaigns_pb2.Contact.PENDING) == (contact.attempts, contact.status)

        await service.resume(campaign.id)
        await service.until_status(campaign.id, "COMPLETED")
        assert 1 == len(service.calls.calls)


async def test_an_intent_that_waited_past_the_calling_hours_is_given_back_instead_of_sent(
    start_service: StartService,
) -> None:
    """CA-5: also one that a crash left behind in the evening is not sent at night."""
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        failpoints.configure("dial.before_post=error#1")
        campaign = await service.campaign(contacts=1)
        await service.start(campaign.id)
        await _state(service, campaign.id, "INTENT")
        await replace_own(service, campaign.id, calling_hours=closed_hours())

        refused = await _state(service, campaign.id, "REFUSED")

        assert ("NOT_WANTED", []) == (refused.reason, service.calls.requests)

        async def waits() -> bool:
            [contact] = await service.contacts(campaign.id)
            return contact.wait_reason == "OUTSIDE_CALLING_HOURS"

        await eventually(waits)


async def test_a_dialer_that_stood_still_too_long_does_not_send(start_service: StartService) -> None:
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        failpoints.configure("dial.before_post=sleep:1500#1")
        campaign = await service.campaign(contacts=1)
        await service.start(campaign.id)
        await _state(service, campaign.id, "INTENT")

        await service.until_status(campaign.id, "COMPLETED")
        dispatcher = service.running.dispatcher  # type: ignore[union-attr]
        await service.until(lambda: not dispatcher._in_flight)

        assert 1 == len(service.calls.requests)


async def test_calls_that_was_away_is_called_again_as_soon_as_it_is_back(start_service: StartService) -> None:
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        # Enough for the circuit to open; the channel tries each request three times.
        service.calls.fail_before = [FakeTrouble() for _ in range(24)]
        campaign = await service.campaign(contacts=16, cap=8)
        await service.start(campaign.id)
        await service.until(lambda: not service.calls.fail_before, within_seconds=15)

        await service.until_status(campaign.id, "COMPLETED", within_seconds=10)

        assert 16 == len(service.calls.calls)


async def test_a_restart_of_calls_keeps_no_slot_waiting(service: Service) -> None:
    """The same requests go out again as soon as it is back, long before their intents are looked after."""
    # The channel tries each of four requests three times.
    service.calls.fail_before = [FakeTrouble() for _ in range(12)]
    campaign = await service.campaign(contacts=4, cap=4)
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED", within_seconds=8)

    assert 4 == len(service.calls.calls)
    assert 4 == len(await service.attempts(campaign.id))


async def test_a_dialer_asks_as_long_as_calls_is_away(start_service: StartService) -> None:
    """CA-3: nobody else does here, for the look after lost intents never comes."""
    async with start_service(intent_seconds=2.6, place_seconds=0.6, reconcile_seconds=600.0) as service:
        service.calls.fail_before = [FakeTrouble() for _ in range(9)]
        campaign = await service.campaign(contacts=2, cap=1)
        await service.start(campaign.id)

        await service.until_status(campaign.id, "COMPLETED", within_seconds=15)

        assert (2, 2) == (len(service.calls.calls), len(await service.attempts(campaign.id)))


async def test_a_lost_intent_is_asked_for_only_so_long_at_a_time(start_service: StartService) -> None:
    """CA-3: others wait to be looked after."""
    async with start_service(intent_seconds=1.0, place_seconds=0.6) as service:
        failpoints.configure("dial.before_post=error#1")
        service.calls.fail_before = [FakeTrouble() for _ in range(1000)]
        campaign = await service.campaign(contacts=1)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.requests) >= 2)
        [before] = await service.database.fetch("SELECT check_at FROM campaigns.attempts")

        async def taken_anew() -> bool:
            [row] = await service.database.fetch("SELECT check_at FROM campaigns.attempts")
            return bool(row["check_at"] > before["check_at"])

        await eventually(taken_anew)
        service.calls.fail_before.clear()
        await service.until_status(campaign.id, "COMPLETED")

        assert 1 == len(service.calls.calls)


async def test_a_campaign_that_cannot_be_read_holds_up_no_other(service: Service) -> None:
    """CA-3: what is wrong with one campaign's rows is not the others' trouble."""
    broken = await service.campaign(contacts=1, name="broken")
    well = await service.campaign(contacts=8, cap=1, name="well")
    await replace_own(service, broken.id, calling_hours=closed_hours())
    await service.database.execute("UPDATE campaigns.campaign_dialing_policies SET calling_hours = '[[1]]'")
    await service.start(broken.id)
    await service.start(well.id)

    await service.until_status(well.id, "COMPLETED", within_seconds=8)

    assert 8 == len(service.calls.calls)


async def test_a_number_whose_account_does_not_answer_holds_up_no_other(service: Service) -> None:
    """V4: more calls wait for an answer there than may be on their way at once."""
    answering = service.calls.hanging["hanging"] = asyncio.Event()
    hanging = [
        await service.campaign(contacts=50, cap=50, name=name, phone_number_id="hanging") for name in "ab"
    ]
    for campaign in hanging:
        await service.start(campaign.id)
    await service.until(lambda: len(service.calls.requests) >= 20)
    well = await service.campaign(contacts=40, cap=10, name="well", phone_number_id="well")

    await service.start(well.id)
    done = await service.until_status(well.id, "COMPLETED")

    assert 40 == done.stats.attempts
    assert not answering.is_set()
    answering.set()
    for campaign in hanging:
        await service.until_status(campaign.id, "COMPLETED")


async def test_requests_that_time_out_at_one_number_close_the_door_to_no_other(calls: FakeCalls) -> None:
    """V4: more of them in a row than the breaker bears of a `calls` that is away."""
    calls.hanging["hanging"] = asyncio.Event()
    async with calls.serving(signer()) as address:
        peer = Peer(address, signer=signer(), service="campaigns")
        client = CallsClient(peer, place_seconds=0.3)
        answers = await asyncio.gather(
            *(client.place(_dial("hanging")) for _ in range(8)), return_exceptions=True
        )
        assert {"TIMEOUT"} == {answer.kind.name for answer in answers if isinstance(answer, ServiceError)}

        placement = await client.place(_dial("well"))

        assert Result.PLACED is placement.result
        calls.hanging["hanging"].set()
        await peer.close()


def _dial(phone_number_id: str) -> Dial:
    return Dial(
        attempt_id=uuid4(),
        org_id=ORG,
        campaign_id=uuid4(),
        contact_id=uuid4(),
        phone="+15145550100",
        name="Person",
        assistant_id=uuid4(),
        provider_assistant_id="assistant",
        phone_number_id=phone_number_id,
        traceparent="",
        max_duration_seconds=0,
        assistant_overrides={},
    )


async def test_a_provider_that_is_down_costs_no_attempt_and_dialing_resumes_by_itself(
    service: Service,
) -> None:
    """V13: few requests are made meanwhile."""
    out_of_order = Script(result="REFUSED", reason="CIRCUIT_OPEN", infrastructure=True)
    service.calls.script = lambda _: out_of_order
    campaign = await service.campaign(contacts=12, cap=1, max_attempts=1)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.requests) >= 2)

    async def given_back() -> bool:
        return {0} == {contact.attempts for contact in await service.contacts(campaign.id)}

    await eventually(given_back)
    service.calls.script = lambda _: Script()

    done = await service.until_status(campaign.id, "COMPLETED")

    assert 12 == done.stats.attempts
    assert len(service.calls.requests) <= 12 + 3


async def test_what_falls_due_while_the_dispatcher_looks_is_not_slept_through(service: Service) -> None:
    """A retry that was not due at the look and is due when the next wake-up is reckoned."""
    await service.campaign(contacts=1)
    async with service.database.pool("campaigns_worker") as pool, pg.transaction(pool) as conn:
        looked_at = await campaigns.read_clock(conn)
        await service.database.execute(
            """
            UPDATE campaigns.contacts SET next_attempt_at = clock_timestamp();
            UPDATE campaigns.campaigns SET status = 'QUEUED', provider_assistant_id = 'a';
            """
        )

        seconds = await campaigns.seconds_until_due(conn, since=looked_at)

    assert seconds is not None
    assert seconds <= 0
