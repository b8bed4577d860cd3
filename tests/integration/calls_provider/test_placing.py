"""Placing calls: the three outcomes, repeats, races, and deaths in between."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from libs import failpoints
from libs.pg import transaction
from services.calls.domain.placement import Placement, PlacementResult, ProviderCall
from services.calls.errors import CallAlreadyEnded, CallIdReused, CallNotFound, ProviderAccountNotFound
from services.calls.operations import settling
from services.calls.operations.placement import Placements
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG, House, order

PLACED = Placement(result=PlacementResult.PLACED)
IN_FLIGHT = Placement(result=PlacementResult.UNKNOWN, reason="IN_FLIGHT", infrastructure=True)


async def test_a_placed_call_holds_a_line_and_says_so(house: House) -> None:
    wanted = order()

    assert await house.placements.place(wanted, org_id=ORG) == PLACED

    call = await house.call(wanted.call_id)
    assert (call["placement"], call["status"], call["direction"]) == ("PLACED", "QUEUED", "OUTBOUND")
    assert call["provider_call_id"] in house.provider.calls
    assert call["placed_at"] is not None
    assert await house.lines_in_use() == 1
    assert await house.events() == ["placed"]


async def test_a_refused_call_fails_and_frees_its_line(house: House) -> None:
    wanted = order(phone_number_id="no-such-number")

    placement = await house.placements.place(wanted, org_id=ORG)

    assert placement == Placement(
        result=PlacementResult.REFUSED, reason="PHONE_NUMBER_REFUSED", infrastructure=True
    )
    call = await house.call(wanted.call_id)
    assert (call["placement"], call["status"], call["closed_as"]) == ("REFUSED", "FAILED", "FAILED")
    assert call["outcome"] == "FAILED"
    assert await house.lines_in_use() == 0
    assert await house.events() == ["failed"]


async def test_a_call_that_may_have_been_made_keeps_its_line_and_says_nothing(house: House) -> None:
    house.provider.fail_next("timeout", call_made=True)
    wanted = order()

    placement = await house.placements.place(wanted, org_id=ORG)

    assert placement == Placement(result=PlacementResult.UNKNOWN, reason="TIMEOUT", infrastructure=True)
    assert (await house.call(wanted.call_id))["status"] == "QUEUED"
    assert await house.lines_in_use() == 1
    assert await house.events() == []


@pytest.mark.parametrize("failure", [None, "timeout", "http"])
async def test_a_repeat_never_asks_the_provider_again(house: House, failure: str | None) -> None:
    if failure == "timeout":
        house.provider.fail_next("timeout")
    if failure == "http":
        house.provider.fail_next("http", status=403)
    wanted = order()
    first = await house.placements.place(wanted, org_id=ORG)

    repeats = [await house.placements.place(wanted, org_id=ORG) for _ in range(3)]

    assert repeats == [first] * 3
    assert len(house.provider.orders) == 1
    assert len(await house.events()) == (0 if failure == "timeout" else 1)


async def test_a_repeat_while_the_first_is_under_way_is_unknown(house: House) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_call: ProviderCall) -> None:
        reached.set()
        await go_on.wait()

    house.provider.before_answer = hold
    wanted = order()
    first = asyncio.create_task(house.placements.place(wanted, org_id=ORG))
    await reached.wait()

    assert await house.placements.place(wanted, org_id=ORG) == IN_FLIGHT
    go_on.set()
    assert await first == PLACED
    assert len(house.provider.orders) == 1


async def test_many_repeats_at_once_ask_the_provider_once(house: House) -> None:
    wanted = order()

    answers = await asyncio.gather(*(house.placements.place(wanted, org_id=ORG) for _ in range(20)))

    assert answers.count(PLACED) >= 1
    assert {answer.result for answer in answers} <= {PlacementResult.PLACED, PlacementResult.UNKNOWN}
    assert len(house.provider.orders) == 1
    assert await house.lines_in_use() == 1


@pytest.mark.parametrize("changes", [{"customer_number": "+15145550000"}, {"provider_assistant_id": "other"}])
async def test_an_id_that_names_another_call_is_refused(house: House, changes: dict[str, Any]) -> None:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)

    with pytest.raises(CallIdReused):
        await house.placements.place(replace(wanted, **changes), org_id=ORG)


async def test_an_id_of_another_organization_is_refused_and_not_shown(house: House) -> None:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)

    with pytest.raises(CallIdReused):
        await house.placements.place(wanted, org_id=OTHER_ORG)
    with pytest.raises(CallNotFound):
        await house.placements.cancel(wanted.call_id, org_id=OTHER_ORG)


async def test_of_thirty_at_once_five_lines_place_five(house: House) -> None:
    await house.accounts.create(org_id=ORG, name="main", provider="vapi", line_count=5, inbound_reserve=0)
    house.provider.lines = 100

    answers = await asyncio.gather(*(house.placements.place(order(), org_id=ORG) for _ in range(30)))

    refused = Placement(
        result=PlacementResult.REFUSED, reason="NO_LINE_FREE", infrastructure=True, retry_after_seconds=2
    )
    assert answers.count(PLACED) == 5
    assert answers.count(refused) == 25
    assert len(house.provider.orders) == 5
    assert await house.lines_in_use() == 5


async def test_an_id_refused_for_want_of_a_line_may_come_again(house: House) -> None:
    account = await house.accounts.create(
        org_id=ORG, name="main", provider="vapi", line_count=1, inbound_reserve=1
    )
    wanted = order()
    answer = await house.placements.place(wanted, org_id=ORG)
    assert answer.reason == "NO_LINE_FREE"

    await house.accounts.update(org_id=ORG, account_id=account.id, inbound_reserve=0)

    assert await house.placements.place(wanted, org_id=ORG) == PLACED


async def test_while_the_provider_is_out_of_order_nothing_is_stored(house: House) -> None:
    house.provider.placing_pause_seconds = 12.3
    wanted = order()

    answer = await house.placements.place(wanted, org_id=ORG)

    assert (answer.reason, answer.infrastructure, answer.retry_after_seconds) == ("CIRCUIT_OPEN", True, 13)
    assert await house.database.fetch("SELECT FROM calls.calls") == []
    house.provider.placing_pause_seconds = 0
    assert await house.placements.place(wanted, org_id=ORG) == PLACED


async def test_without_an_active_account_nothing_is_placed(house: House) -> None:
    account = await house.accounts.create(
        org_id=ORG, name="main", provider="vapi", line_count=1, inbound_reserve=0
    )
    await house.accounts.update(org_id=ORG, account_id=account.id, active=False)

    with pytest.raises(ProviderAccountNotFound):
        await house.placements.place(order(), org_id=ORG)
    assert house.provider.orders == []


async def test_nothing_is_sent_after_the_deadline(house: House) -> None:
    times = iter([0.0, 99.0])
    late = Placements(
        house.pool, house.providers, house.accounts, send_seconds_max=5, clock=lambda: next(times)
    )

    placement = await late.place(order(), org_id=ORG)

    assert (placement.result, placement.reason) == (PlacementResult.REFUSED, "DEADLINE_PASSED")
    assert house.provider.orders == []
    assert await house.lines_in_use() == 0


async def test_a_webhook_may_overtake_the_answer(house: House) -> None:
    """Whoever attaches first, the call is placed and said so once."""
    wanted = order()

    async def webhook_first(call: ProviderCall) -> None:
        async with transaction(house.pool, org_id=ORG) as conn:
            await settling.record_placed(conn, call_id=wanted.call_id, provider_call_id=call.id)

    house.provider.before_answer = webhook_first

    assert await house.placements.place(wanted, org_id=ORG) == PLACED
    assert await house.events() == ["placed"]


async def test_a_caller_that_goes_away_does_not_lose_the_answer(house: House) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_call: ProviderCall) -> None:
        reached.set()
        await go_on.wait()

    house.provider.before_answer = hold
    wanted = order()
    caller = asyncio.create_task(house.placements.place(wanted, org_id=ORG))
    await reached.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    go_on.set()

    await house.placements.drain()

    assert (await house.call(wanted.call_id))["placement"] == "PLACED"


@pytest.mark.parametrize("failpoint", ["place.before_post", "place.mid_post", "place.after_post"])
async def test_after_a_death_a_repeat_does_not_dial(house: House, failpoint: str) -> None:
    failpoints.configure(f"{failpoint}=error#1")
    wanted = order()
    with pytest.raises(failpoints.FailpointError):
        await house.placements.place(wanted, org_id=ORG)

    assert await house.placements.place(wanted, org_id=ORG) == IN_FLIGHT
    assert len(house.provider.calls) <= 1
    assert await house.lines_in_use() == 1


async def test_canceling_ends_the_call_at_the_provider(house: House) -> None:
    wanted = order()
    await house.placements.place(wanted, org_id=ORG)

    await house.placements.cancel(wanted.call_id, org_id=ORG)

    call = await house.call(wanted.call_id)
    assert house.provider.calls[call["provider_call_id"]].ended
    # It is canceled once the provider says so.
    assert call["status"] == "QUEUED"


async def test_what_has_ended_or_does_not_exist_cannot_be_canceled(house: House) -> None:
    wanted = order(phone_number_id="no-such-number")
    await house.placements.place(wanted, org_id=ORG)

    with pytest.raises(CallAlreadyEnded):
        await house.placements.cancel(wanted.call_id, org_id=ORG)
    with pytest.raises(CallNotFound):
        await house.placements.cancel(uuid4(), org_id=ORG)
