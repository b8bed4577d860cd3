"""What is left behind by lost records, and by hands in the database, is put right."""

from libs.errors import Kind, ServiceError
from tests.integration.campaigns.conftest import StartService
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import Service
from tests.support.waiting import eventually


class IdTaken(ServiceError):
    """The id stands for another call."""

    kind = Kind.DUPLICATE
    reason = "CALL_ID_REUSED"


async def test_a_call_that_calls_has_lost_keeps_its_slot_only_while_it_may_go_on(
    start_service: StartService,
) -> None:
    """CA-3: then it is over, its slot is free, and nobody is called twice for it."""
    async with start_service(
        stuck_seconds=0.3, lost_seconds=2.0, intent_seconds=1.0, place_seconds=0.6
    ) as service:
        service.calls.script = lambda _: Script(seconds=None)
        campaign = await service.campaign(contacts=2, cap=1, max_attempts=3, retry_delay_seconds=0)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.active) == 1)
        [lost] = service.calls.calls
        service.calls.active.discard(lost)
        del service.calls.calls[lost]

        await service.until(lambda: lost in service.calls.looked_up)
        assert 1 == (await service.get(campaign.id)).stats.active
        service.calls.script = lambda _: Script()

        done = await service.until_status(campaign.id, "COMPLETED")
        *_, first = await service.attempts(campaign.id)
        assert (lost, "TIMEOUT", "CALL_LOST") == (first.id, first.call_status, first.reason)
        assert first.ended_at.ToMilliseconds() - first.created_at.ToMilliseconds() >= 2000
        assert (2, {"TIMEOUT": 1, "ENDED": 1}) == (len(service.calls.requests), dict(done.stats.by_status))


async def test_an_id_that_calls_does_not_take_keeps_its_slot_only_while_its_call_may_go_on(
    start_service: StartService,
) -> None:
    """CA-3: it names another call there, or one whose record is gone; asking again would never end."""
    async with start_service(
        stuck_seconds=0.3, lost_seconds=1.0, intent_seconds=1.0, place_seconds=0.6
    ) as service:
        service.calls.fail_before = [IdTaken()]
        campaign = await service.campaign(contacts=1, max_attempts=1)
        await service.start(campaign.id)

        await service.until_status(campaign.id, "COMPLETED")

        [attempt] = await service.attempts(campaign.id)
        assert ([attempt.id], "CALL_LOST") == (service.calls.requests, attempt.reason)


async def test_a_report_that_calls_has_lost_is_not_waited_for_for_ever(start_service: StartService) -> None:
    """CA-3: whether somebody answered will never be known, so the contact is not called again."""
    async with start_service(report_seconds=0.3) as service:
        service.calls.script = lambda _: Script(seconds=None, outcome_with_report=True)
        campaign = await service.campaign(contacts=1, max_attempts=2, retry_delay_seconds=0)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.active) == 1)
        [lost] = service.calls.calls
        await service.calls.end(lost)
        del service.calls.calls[lost]

        await service.until_status(campaign.id, "COMPLETED")
        assert [lost] == service.calls.requests


async def test_slots_that_do_not_fit_their_attempts_are_put_right(start_service: StartService) -> None:
    """CA-3: left behind, not held, missing; and a contact that nobody looks after."""
    async with start_service(slots_seconds=0.2) as service:
        service.calls.script = lambda _: Script(seconds=None)
        campaign = await service.campaign(contacts=6, cap=3)
        await service.start(campaign.id)
        await service.until(lambda: len(service.calls.active) == 3)
        await service.pause(campaign.id)
        first, second, _ = sorted(service.calls.active)
        await _break_slots(service, over=first, unheld=second)

        async def healed() -> bool:
            rows = await service.database.fetch(
                """
                SELECT slot.slot_no, attempt.state FROM campaigns.slots AS slot
                  LEFT JOIN campaigns.attempts AS attempt ON attempt.id = slot.attempt_id
                """
            )
            return sorted(str(row["state"]) for row in rows) == ["None", "PLACED", "PLACED"]

        await eventually(healed)
        await service.resume(campaign.id)
        # One slot is free: exactly one more call, although the database was told otherwise for a while.
        await service.until(lambda: len(service.calls.requests) == 4)
        for call_id in sorted(service.calls.active):
            await service.calls.end(call_id)
        await service.until(lambda: len(service.calls.requests) == 6)
        for call_id in sorted(service.calls.active):
            await service.calls.end(call_id)
        done = await service.until_status(campaign.id, "COMPLETED")
        assert (6, 0) == (done.stats.attempts, done.stats.active)


async def _break_slots(service: Service, *, over: str, unheld: str) -> None:
    """One attempt is over without a word to its slot and its contact, one has lost its slot altogether."""
    await service.database.fetch(
        """
        UPDATE campaigns.attempts
           SET state = 'ENDED', call_status = 'ENDED', outcome = 'HUMAN', ended_at = now(), check_at = NULL
         WHERE id::text = $1
        """,
        over,
    )
    await service.database.fetch("DELETE FROM campaigns.slots WHERE attempt_id::text = $1", unheld)
