"""What is missing of calls that are over, calls that we never heard of, and webhooks that never came."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.calls.domain.placement import ProviderCall
from services.calls.errors import ProviderUnavailable
from services.calls.operations.catching_up import CatchingUp
from services.calls.operations.sweeping import Sweeping
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG, House, order
from tests.integration.calls_provider.test_with_fold import Folding
from tests.support.fake_voice_provider import PHONE_NUMBER_ID

SAID = [{"role": "user", "message": "Oui bonjour", "time": 1_795_000_000_000}]
REPORT = {
    "startedAt": "2026-11-20T10:00:00.000Z",
    "cost": 0.0815,
    "analysis": {"summary": "Bon."},
    "artifact": {"messages": SAID, "recordingUrl": "https://storage.example/r.wav"},
}


class Late(Folding):
    """The reconciler beside the fold; nothing is waited for."""

    def __init__(self, house: House, pool: Any) -> None:
        super().__init__(house, pool)
        self.house = house
        catching_up = CatchingUp(pool, feed=self.ingest.feed, report_seconds=60)
        self.sweeping = Sweeping(pool, house.providers, catching_up=catching_up)

    async def ended(self, provider_call_id: str, **report: Any) -> ProviderCall:
        """The provider ends the call; its `ended` comes, its report does not."""
        call = self.house.provider.change(
            provider_call_id, status="ended", endedReason="customer-ended-call", **report
        )
        await self.webhook(call, type="status-update", status="ended", endedReason="customer-ended-call")
        return call

    async def waited(self, seconds: float = 61) -> None:
        """Time goes by for everything that is remembered."""
        moved = "{column} = {column} - make_interval(secs => {seconds})"
        columns = {
            "calls.calls": ("updated_at", "completion_looked_at"),
            "calls.lost_webhooks": ("suspected_at",),
            "calls.provider_events": ("stored_at",),
        }
        script = ["SET session_replication_role = replica"]
        for table, names in columns.items():
            changes = ", ".join(moved.format(column=name, seconds=seconds) for name in names)
            script.append(f"UPDATE {table} SET {changes}")  # noqa: S608
        await self.house.database.execute(";".join(script))

    async def completed(self) -> int:
        looked = await self.reconciliation.complete()
        await self.fold()
        return looked

    async def lost(self) -> list[tuple[str, bool]]:
        rows = await self.house.database.fetch("SELECT type, found_at FROM calls.lost_webhooks")
        return [(row["type"], row["found_at"] is not None) for row in rows]

    async def swept(self) -> None:
        """To the end of the list."""
        while await self.sweeping.step():
            pass
        await self.fold()


@pytest.fixture
async def late(house: House) -> AsyncIterator[Late]:
    async with house.database.pool("calls_worker") as pool:
        yield Late(house, pool)


async def placed(house: House) -> tuple[UUID, str]:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    return wanted.call_id, list(house.provider.calls)[-1]


def call_of_somebody(house: House, **fields: Any) -> ProviderCall:
    """A call that the provider has and nobody told us about, an hour old."""
    created_at = datetime.now(UTC) - timedelta(hours=1)
    document = {
        "id": str(uuid4()),
        "type": "inboundPhoneCall",
        "status": "ended",
        "endedReason": "customer-ended-call",
        "phoneNumberId": PHONE_NUMBER_ID,
        "assistantId": "a",
        "customer": {"number": "+15145550188"},
        "createdAt": created_at.isoformat(),
        "updatedAt": (created_at + timedelta(minutes=2)).isoformat(),
        "endedAt": (created_at + timedelta(minutes=1)).isoformat(),
        **REPORT,
        **fields,
    }
    call = ProviderCall(
        id=document["id"],
        status=document["status"],
        name=document.get("name", ""),
        metadata={},
        created_at=created_at,
        control_url="",
        document=document,
    )
    house.provider.calls[call.id] = call
    return call


async def test_a_report_that_never_came_is_asked_for_and_counted_once(house: House, late: Late) -> None:
    """IN-11: missing end reports, and the count of webhooks lost."""
    call_id, made = await placed(house)
    await late.ended(made, **REPORT)
    assert 0 == await late.completed()
    await late.waited()

    assert 1 == await late.completed()

    call = await house.call(call_id)
    assert ("ENDED", "0.0815", "REPORT", "https://storage.example/r.wav") == (
        call["status"],
        str(call["cost_usd"]),
        call["transcript_source"],
        call["recording_url"],
    )
    assert [("end-of-call-report", False)] == await late.lost()
    assert 0 == await late.reconciliation.count_lost()
    await late.waited()
    assert 1 == await late.reconciliation.count_lost()
    assert 0 == await late.reconciliation.count_lost()
    assert [("end-of-call-report", True)] == await late.lost()
    await late.waited(100_000)
    assert 0 == await late.completed()


async def test_a_report_that_was_only_late_is_not_lost(house: House, late: Late) -> None:
    """IN-11: what comes after all does not count."""
    call_id, made = await placed(house)
    call = await late.ended(made, **REPORT)
    await late.waited()
    await late.completed()
    assert [("end-of-call-report", False)] == await late.lost()

    await late.webhook(
        call, source_id=UUID(int=7), type="end-of-call-report", endedReason="customer-ended-call", cost=0.1
    )
    await late.waited()
    await late.reconciliation.count_lost()

    assert [] == await late.lost()
    assert "ENDED" == (await house.call(call_id))["status"]


async def test_a_cost_and_a_recording_that_come_later_are_added(house: House, late: Late) -> None:
    """IN-11: missing costs and recordings; nothing was lost then."""
    call_id, made = await placed(house)
    call = await late.ended(made, startedAt=REPORT["startedAt"])
    await late.webhook(
        call,
        source_id=UUID(int=7),
        type="end-of-call-report",
        endedReason="customer-ended-call",
        artifact={"messages": SAID},
    )
    assert (await house.call(call_id))["cost_usd"] is None
    house.provider.change(made, **REPORT)
    await late.waited()

    await late.completed()

    call_row = await house.call(call_id)
    assert ("0.0815", "https://storage.example/r.wav") == (
        str(call_row["cost_usd"]),
        call_row["recording_url"],
    )
    assert [] == await late.lost()


async def test_what_the_provider_never_shows_is_asked_for_a_few_times_only(house: House, late: Late) -> None:
    """IN-11: a recording may be switched off."""
    _, made = await placed(house)
    await late.ended(made, **{**REPORT, "artifact": {"messages": SAID}})

    looks = []
    for pause in (61, 100, 200, 600, 2000, 6000, 20_000, 100_000):
        await late.waited(pause)
        looks.append(await late.completed())

    assert 6 == sum(looks)


async def test_an_end_without_its_analysis_is_no_report_yet(house: House, late: Late) -> None:
    """IN-11: a cost of zero from a call whose report is being written would be wrong."""
    call_id, made = await placed(house)
    house.provider.change(
        made, status="ended", endedReason="customer-ended-call", startedAt=REPORT["startedAt"], cost=0
    )
    await house.age(call_id, 700)
    await late.reconciliation.follow_up()
    await late.fold()

    call = await house.call(call_id)
    assert ("ENDED", None, None) == (call["status"], call["cost_usd"], call["reported_at"])

    house.provider.change(made, **REPORT)
    await late.waited()
    await late.completed()
    assert "0.0815" == str((await house.call(call_id))["cost_usd"])


async def test_a_call_that_we_never_heard_of_is_taken_into_the_record(house: House, late: Late) -> None:
    """IN-11: the provider's own list over the last day."""
    await placed(house)
    unheard, going_on = call_of_somebody(house), call_of_somebody(house, status="in-progress")
    house.provider.calls[going_on.id] = replace(going_on, status="in-progress")

    await late.swept()
    await late.swept()

    rows = await house.database.fetch(
        "SELECT provider_call_id, org_id, direction, status, cost_usd::text FROM calls.calls"
        " WHERE direction = 'INBOUND' ORDER BY status"
    )
    assert [
        (unheard.id, ORG, "INBOUND", "ENDED", "0.0815"),
        (going_on.id, ORG, "INBOUND", "IN_PROGRESS", None),
    ] == [tuple(row) for row in rows]
    assert [("end-of-call-report", False)] == await late.lost()


async def test_a_call_of_a_shared_account_goes_to_whose_number_it_is_or_to_nobody(
    house: House, late: Late
) -> None:
    """IN-11: what belongs to nobody known is never given to the wrong organization."""
    await placed(house)
    await house.placements.place(order(), org_id=OTHER_ORG)
    theirs, nobodys = (
        call_of_somebody(house, phoneNumberId="theirs"),
        call_of_somebody(house, phoneNumberId="nobodys"),
    )
    await house.database.fetch(
        """
        INSERT INTO calls.provider_phone_numbers (org_id, account_id, phone_number_id, number, name)
        SELECT org_id, id, 'theirs', '', '' FROM calls.provider_accounts WHERE org_id = $1
        """,
        OTHER_ORG,
    )

    await late.swept()

    rows = await house.database.fetch(
        "SELECT org_id, provider_call_id FROM calls.calls WHERE direction = 'INBOUND'"
    )
    assert [(OTHER_ORG, theirs.id)] == [tuple(row) for row in rows]
    assert nobodys.id in house.provider.calls


async def test_a_list_that_cannot_be_read_is_read_again_from_the_same_place(house: House, late: Late) -> None:
    """IN-11: a look that failed proves nothing."""
    await placed(house)
    unheard = call_of_somebody(house)
    house.provider.reachable = False
    await late.swept()
    house.provider.reachable = True

    await late.swept()

    assert 1 == len(
        await house.database.fetch("SELECT id FROM calls.calls WHERE provider_call_id = $1", unheard.id)
    )


async def test_a_list_that_is_too_long_is_read_in_shorter_pieces(house: House, late: Late) -> None:
    """IN-11: a partial list must not pass for a whole one."""
    await placed(house)
    unheard = call_of_somebody(house)
    list_calls = house.provider.list_calls
    windows: list[timedelta] = []

    async def limited(*, created_from: datetime, created_to: datetime, **_: Any) -> list[ProviderCall]:
        windows.append(created_to - created_from)
        if created_to - created_from > timedelta(minutes=50):
            raise ProviderUnavailable(metadata={"cause": "LIST_TOO_LONG"})
        return await list_calls(created_from=created_from, created_to=created_to)

    house.provider.list_calls = limited  # type: ignore[method-assign]

    await late.swept()

    assert 1 == len(
        await house.database.fetch("SELECT id FROM calls.calls WHERE provider_call_id = $1", unheard.id)
    )
    assert max(windows) > timedelta(hours=2)


EVENTS: dict[str, dict[str, Any]] = {
    "ringing": {"type": "status-update", "status": "ringing"},
    "in-progress": {"type": "status-update", "status": "in-progress"},
    "conversation": {"type": "conversation-update", "messages": SAID},
    "ended": {"type": "status-update", "status": "ended", "endedReason": "customer-ended-call"},
    "report": {"type": "end-of-call-report", "endedReason": "customer-ended-call", **REPORT},
}


@pytest.mark.parametrize("dropped", [*([name] for name in EVENTS), ["ended", "report"], list(EVENTS)])
async def test_whatever_event_is_missing_the_call_ends_with_its_cost(
    house: House, late: Late, dropped: list[str]
) -> None:
    """V9: each single event, all terminal ones, all of them."""
    call_id, made = await placed(house)
    for name, event in EVENTS.items():
        if name not in dropped:
            await late.webhook(house.provider.calls[made], source_id=UUID(int=7), **event)
    house.provider.change(made, status="ended", endedReason="customer-ended-call", **REPORT)
    await house.age(call_id, 700)
    await late.reconciliation.follow_up()
    await late.fold()
    await late.waited()
    await late.completed()

    call = await house.call(call_id)
    assert ("ENDED", "0.0815", "REPORT", 1) == (
        call["status"],
        str(call["cost_usd"]),
        call["transcript_source"],
        call["transcript_lines"],
    )
    assert 0 == await house.lines_in_use()
    await late.waited()
    await late.reconciliation.count_lost()
    assert [("end-of-call-report", True)] * ("report" in dropped) == await late.lost()
