"""What becomes of placements without an answer, calls without news, lines without a call."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from libs import failpoints
from libs.pg import transaction
from services.calls.domain.placement import PlacementResult
from services.calls.operations import settling
from tests.integration.calls_provider.conftest import ORG, House, order


async def unknown_call(house: House, *, call_made: bool) -> Any:
    house.provider.fail_next("timeout", call_made=call_made)
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    return wanted.call_id


async def placed_call(house: House, **changes: Any) -> Any:
    wanted = order(**changes)
    await house.placements.place(wanted, org_id=ORG)
    return wanted.call_id


async def test_an_unknown_placement_that_was_made_is_found_and_said_once(house: House) -> None:
    call_id = await unknown_call(house, call_made=True)

    assert await house.reconciliation.settle_placements() == 1
    assert await house.reconciliation.settle_placements() == 0

    call = await house.call(call_id)
    assert (call["placement"], call["status"]) == ("PLACED", "QUEUED")
    assert call["provider_call_id"] in house.provider.calls
    assert await house.events() == ["placed"]
    assert await house.lines_in_use() == 1


async def test_a_found_call_that_is_over_already_is_reported_to_the_ledger(house: House) -> None:
    await unknown_call(house, call_made=True)
    (made,) = house.provider.calls
    house.provider.change(made, status="ended", endedReason="customer-did-not-answer", cost=0.01)

    await house.reconciliation.settle_placements()

    message = json.loads(house.fed[0])["message"]
    assert (message["type"], message["endedReason"], message["cost"], message["call"]["id"]) == (
        "end-of-call-report",
        "customer-did-not-answer",
        0.01,
        made,
    )


async def test_absence_is_no_proof_until_several_looks_over_the_settling_time(house: House) -> None:
    call_id = await unknown_call(house, call_made=False)

    for _ in range(2):
        assert await house.reconciliation.settle_placements() == 0
        await house.age(call_id, 80)
    assert (await house.call(call_id))["status"] == "QUEUED"
    assert await house.lines_in_use() == 1
    assert await house.reconciliation.settle_placements() == 1

    call = await house.call(call_id)
    assert (call["status"], call["placement"], call["placement_reason"]) == ("FAILED", "UNKNOWN", "NOT_FOUND")
    assert not call["placement_infrastructure"], "an unclear provider may be unclear about its list too"
    assert (call["lookups"], await house.lines_in_use()) == (3, 0)
    assert await house.events() == ["failed"]
    assert len(house.provider.orders) == 1


async def test_a_provider_that_shows_a_call_late_is_waited_for(house: House) -> None:
    call_id = await unknown_call(house, call_made=True)
    house.provider.hidden = set(house.provider.calls)
    await house.reconciliation.settle_placements()
    await house.age(call_id, 80)
    house.provider.hidden = set()

    assert await house.reconciliation.settle_placements() == 1
    assert (await house.call(call_id))["placement"] == "PLACED"


async def test_a_look_that_failed_does_not_count(house: House) -> None:
    call_id = await unknown_call(house, call_made=True)
    house.provider.reachable = False
    for _ in range(5):
        await house.reconciliation.settle_placements()
        await house.age(call_id, 80)
    assert (await house.call(call_id))["lookups"] == 0

    house.provider.reachable = True

    assert await house.reconciliation.settle_placements() == 1
    assert (await house.call(call_id))["placement"] == "PLACED"


@pytest.mark.parametrize(
    ("failpoint", "made"),
    [("place.before_post", False), ("place.mid_post", False), ("place.after_post", True)],
)
async def test_a_placement_whose_process_died_is_settled_without_dialing(
    house: House, failpoint: str, made: bool
) -> None:
    failpoints.configure(f"{failpoint}=error")
    wanted = order()
    with pytest.raises(failpoints.FailpointError):
        await house.placements.place(wanted, org_id=ORG)
    dialed = len(house.provider.orders)
    # A young one may still be under way.
    assert await house.reconciliation.settle_placements() == 0

    for _ in range(3):
        await house.age(wanted.call_id, 60)
        await house.reconciliation.settle_placements()

    call = await house.call(wanted.call_id)
    assert call["status"] == ("QUEUED" if made else "FAILED")
    assert call["placement_infrastructure"] != made, "the contact may be called again if nothing was made"
    assert await house.lines_in_use() == int(made)
    assert await house.events() == ["placed" if made else "failed"]
    assert len(house.provider.orders) == dialed


async def test_an_answer_after_all_hope_leaves_the_call_closed_but_known(house: House) -> None:
    """The process stood still for longer than anybody waits, then its 201 came."""
    call_id = await unknown_call(house, call_made=True)
    house.provider.hidden = set(house.provider.calls)
    for _ in range(3):
        await house.reconciliation.settle_placements()
        await house.age(call_id, 80)
    assert (await house.call(call_id))["status"] == "FAILED"

    (made,) = house.provider.calls
    async with transaction(house.pool, org_id=ORG) as conn:
        await settling.record_placed(conn, call_id=call_id, provider_call_id=made)

    call = await house.call(call_id)
    assert (call["status"], call["placement"], call["provider_call_id"]) == ("FAILED", "PLACED", made)
    assert await house.events() == ["failed"]


async def test_reconcilers_side_by_side_settle_each_placement_once(house: House) -> None:
    for _ in range(5):
        await unknown_call(house, call_made=True)

    settled = await asyncio.gather(*(house.reconciliation.settle_placements() for _ in range(4)))

    assert sum(settled) == 5
    assert await house.events() == ["placed"] * 5


async def test_calls_with_recent_news_are_left_alone(house: House) -> None:
    await placed_call(house)

    assert await house.reconciliation.follow_up() == 0
    assert house.fed == []


async def test_a_silent_call_that_ended_is_reported_to_the_ledger_and_not_written_here(house: House) -> None:
    call_id = await placed_call(house)
    (made,) = house.provider.calls
    house.provider.change(made, status="ended", endedReason="customer-ended-call", transcript="AI: Bonjour\n")
    await house.age(call_id, 700)

    assert await house.reconciliation.follow_up() == 1
    assert await house.reconciliation.follow_up() == 0

    message = json.loads(house.fed[0])["message"]
    assert (message["type"], message["endedReason"]) == ("end-of-call-report", "customer-ended-call")
    assert message["call"]["name"] == str(call_id)
    assert "status" not in message["call"]
    assert (await house.call(call_id))["status"] == "QUEUED"


async def test_a_silent_call_that_goes_on_gets_its_status(house: House) -> None:
    call_id = await placed_call(house, max_duration_seconds=3600)
    (made,) = house.provider.calls
    house.provider.change(made, status="in-progress")
    await house.age(call_id, 700)

    await house.reconciliation.follow_up()

    message = json.loads(house.fed[0])["message"]
    assert (message["type"], message["status"]) == ("status-update", "in-progress")
    assert await house.lines_in_use() == 1


async def test_a_call_that_the_provider_does_not_know_times_out(house: House) -> None:
    call_id = await placed_call(house)
    house.provider.calls.clear()
    await house.age(call_id, 700)

    assert await house.reconciliation.follow_up() == 1

    assert (await house.call(call_id))["status"] == "TIMEOUT"
    assert await house.lines_in_use() == 0
    assert await house.events() == ["placed", "ended"]


@pytest.mark.parametrize("reachable", [True, False])
async def test_past_its_longest_duration_a_call_times_out_whatever_the_provider_says(
    house: House, reachable: bool
) -> None:
    call_id = await placed_call(house, max_duration_seconds=1000)
    (made,) = house.provider.calls
    house.provider.change(made, status="queued")
    house.provider.reachable = reachable
    await house.age(call_id, 1000)
    assert await house.reconciliation.follow_up() == 0
    await house.age(call_id, 700)

    assert await house.reconciliation.follow_up() == 1
    assert (await house.call(call_id))["status"] == "TIMEOUT"


async def test_a_cancellation_that_could_not_be_told_is_told_later(house: House) -> None:
    call_id = await placed_call(house)
    (made,) = house.provider.calls
    house.provider.reachable = False
    await house.placements.cancel(call_id, org_id=ORG)
    house.provider.reachable = True
    await house.database.execute("UPDATE calls.calls SET cancel_requested_at = now() - interval '16 s'")

    assert await house.reconciliation.follow_up() == 1

    assert house.provider.calls[made].document["endedReason"] == "manually-canceled"
    assert json.loads(house.fed[0])["message"]["endedReason"] == "manually-canceled"


async def test_a_canceled_call_that_the_provider_does_not_know_is_canceled(house: House) -> None:
    call_id = await placed_call(house)
    house.provider.calls.clear()
    await house.placements.cancel(call_id, org_id=ORG)
    await house.database.execute("UPDATE calls.calls SET cancel_requested_at = now() - interval '16 s'")

    assert await house.reconciliation.follow_up() == 1
    assert (await house.call(call_id))["status"] == "CANCELED"


async def test_lines_that_an_ended_or_missing_call_left_behind_are_freed(house: House) -> None:
    ended, alive = await placed_call(house), await placed_call(house)
    await house.database.fetch(
        "UPDATE calls.calls SET status = 'ENDED', ended_at = now() WHERE id = $1", ended
    )
    await house.database.execute(
        "UPDATE calls.lines SET call_id = uuidv7(), taken_at = now() WHERE line_no = 7"
    )

    assert await house.reconciliation.free_lines() == 2
    assert await house.reconciliation.free_lines() == 0

    held = await house.database.fetch("SELECT call_id FROM calls.lines WHERE call_id IS NOT NULL")
    assert [row["call_id"] for row in held] == [alive]


async def test_a_repeat_after_giving_up_still_does_not_dial(house: House) -> None:
    house.provider.fail_next("timeout")
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)
    for _ in range(3):
        await house.reconciliation.settle_placements()
        await house.age(wanted.call_id, 80)

    placement = await house.placements.place(wanted, org_id=ORG)

    assert (placement.result, placement.reason) == (PlacementResult.UNKNOWN, "NOT_FOUND")
    assert len(house.provider.orders) == 1


async def test_what_the_record_cannot_make_use_of_does_not_keep_a_call_open(house: House) -> None:
    """The provider says ended, the ledger has it, and the fold could not apply it."""
    call_id = await placed_call(house, max_duration_seconds=1000)
    (made,) = house.provider.calls
    house.provider.change(made, status="ended", endedReason="customer-ended-call")
    await house.age(call_id, 700)
    assert await house.reconciliation.follow_up() == 1
    await house.age(call_id, 100)
    assert await house.reconciliation.follow_up() == 0
    assert await house.lines_in_use() == 1
    await house.age(call_id, 1000)

    assert await house.reconciliation.follow_up() == 1

    assert (await house.call(call_id))["status"] == "TIMEOUT"
    assert await house.lines_in_use() == 0


async def test_a_provider_whose_clock_is_slow_does_not_get_its_calls_closed(house: House) -> None:
    call_id = await placed_call(house, max_duration_seconds=3600)
    (made,) = house.provider.calls
    house.provider.change(made, status="in-progress")
    await house.age(call_id, 700)
    await house.database.execute(
        "UPDATE calls.calls SET status = 'IN_PROGRESS', started_at = now() - interval '2 hours'"
    )

    assert await house.reconciliation.follow_up() == 0
    assert (await house.call(call_id))["status"] == "IN_PROGRESS"


async def test_an_old_placement_and_a_young_one_are_looked_for_apart(house: House) -> None:
    """A window over both would hold every call between them."""
    old, _young = [await unknown_call(house, call_made=True) for _ in range(2)]
    await house.age(old, 100_000)
    windows: list[timedelta] = []
    list_calls = house.provider.list_calls

    async def watched(**window: Any) -> Any:
        windows.append(window["created_to"] - window["created_from"])
        return await list_calls(**window)

    house.provider.list_calls = watched  # type: ignore[method-assign]

    assert await house.reconciliation.settle_placements() == 2
    assert len(windows) == 2
    assert max(windows) < timedelta(hours=1)


async def test_a_placement_whose_call_stands_in_another_row_gives_its_line_back(house: House) -> None:
    """A webhook without our id came before the answer to our POST, and its row keeps the provider's id."""
    call_id = await unknown_call(house, call_made=True)
    (made,) = house.provider.calls
    await house.database.fetch(
        """
        INSERT INTO calls.calls (org_id, provider, provider_call_id, direction, status)
        VALUES ($1, 'vapi', $2, 'INBOUND', 'QUEUED')
        """,
        ORG,
        made,
    )
    assert await house.reconciliation.settle_placements() == 0
    assert await house.lines_in_use() == 1
    house.provider.change(made, status="ended")
    await house.age(call_id, 80)

    assert await house.reconciliation.settle_placements() == 1

    assert (await house.call(call_id))["status"] == "FAILED"
    assert (await house.lines_in_use(), await house.events()) == (0, ["failed"])
