"""Campaigns from start to end: the cap, the order of statuses, the figures, the events."""

from collections import Counter
from decimal import Decimal

from google.protobuf import any_pb2

from callplane.campaigns.v2 import campaigns_pb2
from callplane.events.v1 import events_pb2
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import Service
from tests.support.waiting import eventually


async def test_every_contact_is_called_once_under_the_cap(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None if len(service.calls.requests) <= 8 else 0.3)
    campaign = await service.campaign(contacts=60, cap=8)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 8)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)

    done = await service.until_status(campaign.id, "COMPLETED", within_seconds=30)

    assert 60 == len(service.calls.requests)
    assert {1} == set(Counter(call.request.customer_number for call in service.calls.calls.values()).values())
    assert 8 == service.calls.max_active
    assert done.started_at.seconds > 0
    assert 60 == done.stats.attempts == done.stats.contacts
    assert 0 == done.stats.active == done.stats.pending
    assert {"ENDED": 60} == dict(done.stats.by_status)
    assert 1 == len(await service.outbox("callplane.campaign.started.v1"))
    [completed] = await service.outbox("callplane.campaign.completed.v1")
    data = events_pb2.CampaignCompleted()
    assert any_pb2.Any.FromString(completed["data"]).Unpack(data)
    assert ("COMPLETED", 60) == (data.campaign.status, data.campaign.total_contacts)


async def test_the_status_follows_what_the_calls_come_to(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1)
    assert campaigns_pb2.Campaign.CREATED == campaign.status
    started = await service.start(campaign.id)
    assert campaigns_pb2.Campaign.QUEUED == started.status
    dialing = await service.until_status(campaign.id, "DIALING")
    assert dialing.HasField("started_at")
    [call_id] = service.calls.calls

    await service.calls.pick_up(call_id)
    await service.until_status(campaign.id, "RUNNING")
    await service.calls.end(call_id)

    done = await service.until_status(campaign.id, "COMPLETED")
    assert done.HasField("completed_at")


async def test_the_figures_are_exact(service: Service) -> None:
    scripts = [
        Script(cost_usd="0.1000", duration_seconds=10, success=True),
        Script(cost_usd="0.2001", duration_seconds=20, success=False),
        Script(cost_usd="0.0003", duration_seconds=33, success=None, outcome="VOICEMAIL"),
        Script(status="FAILED", outcome="FAILED", report=False),
    ]
    service.calls.script = lambda request: scripts[int(request.customer_name.split()[1])]
    campaign = await service.campaign(contacts=4)
    await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")

    async def reported() -> bool:
        return (await service.get(campaign.id)).stats.total_cost_usd == "0.3004"

    await eventually(reported)
    stats = (await service.get(campaign.id)).stats
    assert {"ENDED": 3, "FAILED": 1} == dict(stats.by_status)
    assert (4, 1, 0.5) == (stats.attempts, stats.successful, stats.success_rate)
    assert Decimal("0.1001") == Decimal(stats.average_cost_usd)
    assert 21.0 == stats.average_duration_seconds


async def test_a_batch_begins_when_every_attempt_of_the_last_one_is_over(service: Service) -> None:
    """CA-2: strict batches, as `calls` sees them."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=7, cap=3, mode=campaigns_pb2.Campaign.BATCH)
    await service.start(campaign.id)

    await service.until(lambda: len(service.calls.active) == 3)
    batches = [set(service.calls.active)]
    first, second, last = sorted(service.calls.active)
    await service.calls.end(first)
    await service.calls.end(second)
    await _followed(service, campaign.id, ended=2)
    assert batches[0] == set(service.calls.calls)

    await service.calls.end(last)
    await service.until(lambda: len(service.calls.active) == 3)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)
    await service.until(lambda: len(service.calls.calls) == 7)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)

    await service.until_status(campaign.id, "COMPLETED")
    assert 3 == service.calls.max_active


async def test_a_paused_campaign_dials_nobody_until_it_is_resumed(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=6, cap=2)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 2)

    await service.pause(campaign.id)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)
    await _followed(service, campaign.id, ended=2)
    assert 2 == len(service.calls.calls)

    resumed = await service.resume(campaign.id)
    assert campaigns_pb2.Campaign.RUNNING == resumed.status
    await service.until(lambda: len(service.calls.calls) == 4)


async def test_a_canceled_campaign_lets_open_calls_end_and_dials_nobody_else(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=6, cap=2)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 2)

    await service.cancel(campaign.id)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)

    found = await _followed(service, campaign.id, ended=2)
    assert campaigns_pb2.Campaign.CANCELED == found.status
    assert (2, 0, 4) == (len(service.calls.calls), found.stats.active, found.stats.pending)


async def test_a_lowered_cap_ends_no_call_and_waits_until_fewer_are_open(service: Service) -> None:
    """V14: the cap is lowered below what is in use."""
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=12, cap=5)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 5)

    await service.update(campaign.id, cap=2)
    ended = 0
    for call_id in sorted(service.calls.active)[:3]:
        await service.calls.end(call_id)
        ended += 1
    found = await _followed(service, campaign.id, ended=ended)
    assert (5, 2) == (len(service.calls.calls), found.stats.active)
    assert 2 == await _slots(service)

    await service.calls.end(next(iter(service.calls.active)))
    await service.until(lambda: len(service.calls.calls) == 6)
    assert 2 == len(service.calls.active)


async def test_a_raised_cap_is_used_at_once(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=12, cap=2)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 2)

    await service.update(campaign.id, cap=6)

    await service.until(lambda: len(service.calls.active) == 6)
    assert 6 == await _slots(service)


async def test_who_was_not_reached_is_called_again_until_the_attempts_are_used_up(service: Service) -> None:
    outcomes = {"0": "NO_ANSWER", "1": "HUMAN", "2": "BUSY"}
    service.calls.script = lambda request: Script(outcome=outcomes[request.customer_name.split()[1]])
    campaign = await service.campaign(contacts=3, max_attempts=3, retry_delay_seconds=0)
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    dials = Counter(call.request.customer_name for call in service.calls.calls.values())
    assert {"Person 0": 3, "Person 1": 1, "Person 2": 3} == dict(dials)
    contacts = await service.contacts(campaign.id)
    assert [("NO_ANSWER", 3), ("HUMAN", 1), ("BUSY", 3)] == [(one.reason, one.attempts) for one in contacts]


async def test_a_retry_waits_for_its_delay(service: Service) -> None:
    service.calls.script = lambda _: Script(outcome="NO_ANSWER")
    campaign = await service.campaign(contacts=1, max_attempts=2, retry_delay_seconds=1)
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    second, first = await service.attempts(campaign.id)
    assert (1, 2) == (first.number, second.number)
    assert second.created_at.ToMilliseconds() - first.ended_at.ToMilliseconds() >= 1000


async def test_the_report_is_waited_for_if_it_decides_on_a_retry(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None, outcome="HUMAN", outcome_with_report=True)
    campaign = await service.campaign(contacts=1, max_attempts=2, retry_delay_seconds=0)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 1)
    [call_id] = service.calls.calls
    await service.calls.end(call_id)
    found = await _followed(service, campaign.id, ended=1)
    assert (0, 1) == (found.stats.active, found.stats.pending)

    await service.calls.report(call_id)

    await service.until_status(campaign.id, "COMPLETED")
    assert 1 == len(service.calls.calls)


async def test_a_provider_with_fewer_lines_than_the_cap_is_not_stormed(service: Service) -> None:
    """V15: the provider side carries fewer calls than the cap; few are asked for in vain."""
    service.calls.script = lambda _: Script(seconds=0.2)
    service.calls.capacity = 3
    campaign = await service.campaign(contacts=15, cap=10)
    await service.start(campaign.id)

    done = await service.until_status(campaign.id, "COMPLETED", within_seconds=30)

    assert (15, 3) == (done.stats.attempts, service.calls.max_active)
    refusals = len(service.calls.requests) - 15
    assert 1 <= refusals <= 12


async def test_a_missing_assistant_fails_the_campaign(service: Service) -> None:
    service.calls.script = lambda _: Script(
        result="REFUSED", reason="ASSISTANT_NOT_FOUND", infrastructure=True
    )
    campaign = await service.campaign(contacts=3, cap=1)
    await service.start(campaign.id)

    failed = await service.until_status(campaign.id, "FAILED")

    assert ("ASSISTANT_NOT_FOUND", 1) == (failed.failure_reason, len(service.calls.requests))


async def _followed(service: Service, campaign_id: str, *, ended: int) -> campaigns_pb2.Campaign:
    """The campaign once so many calls are known to be over."""

    async def look() -> campaigns_pb2.Campaign | None:
        found = await service.get(campaign_id)
        return found if found.stats.by_status.get("ENDED", 0) == ended else None

    found = await eventually(look)
    assert found is not None
    return found


async def _slots(service: Service) -> int:
    [row] = await service.database.fetch("SELECT count(*) FROM campaigns.slots")
    return int(row[0])
