"""Calls per second of a provider account: one row for all processes, slowed by trouble."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from libs.pg import transaction
from services.calls.domain.placement import Placement, PlacementResult
from services.calls.operations.pacing import CarrierWatch
from services.calls.operations.placement import Placements
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG, House, order

PLACED = Placement(result=PlacementResult.PLACED)


async def account(house: House, **fields: Any) -> UUID:
    settings: dict[str, Any] = {"name": "main", "line_count": 100, "inbound_reserve": 0, **fields}
    house.provider.lines = 100
    return (await house.accounts.create(org_id=ORG, provider="vapi", **settings)).id


async def pace(house: House) -> Any:
    [row] = await house.database.fetch("SELECT * FROM calls.account_paces")
    return row


async def test_a_limit_that_was_set_spreads_calls_over_all_processes(house: House) -> None:
    account_id = await account(house, calls_per_second_max=20.0)
    another = Placements(house.pool, house.providers, house.accounts)
    placements = [house.placements, another]
    clock = asyncio.get_running_loop().time
    began = clock()

    answers = await asyncio.gather(*(placements[n % 2].place(order(), org_id=ORG) for n in range(21)))

    assert [PLACED] * 21 == answers
    assert clock() - began >= 1.0
    found = await house.accounts.get(org_id=ORG, account_id=account_id)
    assert (20.0, 20.0) == (found.calls_per_second_max, found.calls_per_second)
    [listed] = await house.accounts.list(org_id=ORG, after=None, limit=5)
    assert found == listed
    free = await house.accounts.update(org_id=ORG, account_id=account_id, calls_per_second_max=0)
    assert (None, None) == (free.calls_per_second_max, free.calls_per_second)


async def test_whose_turn_is_far_away_is_refused_and_nothing_is_kept(house: House) -> None:
    """V1: refused as infrastructure, no wasted request, the same id may come again."""
    await account(house, calls_per_second_max=0.25)
    first, second = order(), order()
    assert PLACED == await house.placements.place(first, org_id=ORG)

    answer = await house.placements.place(second, org_id=ORG)

    assert (PlacementResult.REFUSED, "RATE_PACED", True, 4) == (
        answer.result,
        answer.reason,
        answer.infrastructure,
        answer.retry_after_seconds,
    )
    assert (1, 1) == (len(house.provider.orders), await house.lines_in_use())
    await house.database.execute("UPDATE calls.account_paces SET next_at = now()")
    assert PLACED == await house.placements.place(second, org_id=ORG)


async def test_a_refusal_for_rate_slows_the_account_and_others_go_on(house: House) -> None:
    """V1: 429 with Retry-After: calls per second fall, no request is made before its time is over."""
    account_id = await account(house)
    other = await house.accounts.create(
        org_id=OTHER_ORG, name="main", provider="vapi", line_count=5, inbound_reserve=0
    )
    house.provider.fail_next("http", status=429, retry_after_seconds=7)
    refused = await house.placements.place(order(), org_id=ORG)
    assert ("RATE_LIMITED", True) == (refused.reason, refused.infrastructure)

    answers = [await house.placements.place(order(), org_id=ORG) for _ in range(5)]

    assert {"RATE_PACED"} == {one.reason for one in answers}
    assert {7} == {one.retry_after_seconds for one in answers}
    assert 1 == len(house.provider.orders)
    assert PLACED == await house.placements.place(order(), org_id=OTHER_ORG)
    assert other.calls_per_second is None
    row = await pace(house)
    assert (account_id, 1.0) == (row["account_id"], row["slowed_rate"])

    # Whoever knows better may say so.
    changed = await house.accounts.update(org_id=ORG, account_id=account_id, calls_per_second_max=0)
    assert changed.calls_per_second is None
    answers = await asyncio.gather(*(house.placements.place(order(), org_id=ORG) for _ in range(6)))
    assert [PLACED] * 6 == answers


async def test_a_call_that_finds_no_line_gives_its_turn_back(house: House) -> None:
    await account(house, line_count=1, calls_per_second_max=1.0)
    assert PLACED == await house.placements.place(order(), org_id=ORG)
    await house.database.execute("UPDATE calls.account_paces SET next_at = now()")
    before = (await pace(house))["next_at"]

    answers = [await house.placements.place(order(), org_id=ORG) for _ in range(3)]

    assert {"NO_LINE_FREE"} == {one.reason for one in answers}
    assert before == (await pace(house))["next_at"]


@pytest.mark.parametrize(("errors", "slowed"), [(2, False), (3, True)])
async def test_carrier_errors_slow_the_account_once(house: House, errors: int, slowed: bool) -> None:
    """Calls that the carrier fails are told by webhooks, long after they were placed."""
    await account(house)
    orders = [order() for _ in range(8)]
    for one in orders:
        await house.placements.place(one, org_id=ORG)
    await house.database.fetch(
        """
        UPDATE calls.calls
           SET status = 'FAILED', updated_at = now(), ended_at = now(),
               ended_reason = 'call.in-progress.error-providerfault-outbound-sip-503-service-unavailable'
         WHERE id = ANY ($1::uuid[])
        """,
        [one.call_id for one in orders[:errors]],
    )
    async with house.database.pool("calls_worker") as pool:
        watch = CarrierWatch(pool)
        for _ in range(3):
            assert 0 == await watch.look()

    found = await house.database.fetch("SELECT slowed_rate, slowed_at FROM calls.account_paces")
    # Eight calls in two seconds; looked at three times, learned once.
    assert ([2.0] if slowed else []) == [row["slowed_rate"] for row in found]


async def test_an_account_is_paced_for_its_own_organization_only(house: House) -> None:
    account_id = await account(house, calls_per_second_max=1.0)

    async with transaction(house.pool, org_id=OTHER_ORG) as conn:
        changed = await conn.execute(
            "UPDATE calls.account_paces SET rate_max = 1000 WHERE account_id = $1", account_id
        )

    assert "UPDATE 0" == changed
    assert 1.0 == (await pace(house))["rate_max"]
