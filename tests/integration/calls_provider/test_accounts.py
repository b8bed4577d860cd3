"""Provider accounts and their lines."""

import asyncio
from uuid import uuid4

import pytest

from libs.errors import InvalidArgument
from libs.pg import transaction
from services.calls.domain.placement import PlacementResult
from services.calls.errors import ProviderAccountNameTaken, ProviderAccountNotFound
from services.calls.store import lines
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG, House, order


async def test_an_account_is_read_back_with_its_lines(house: House) -> None:
    created = await house.accounts.create(
        org_id=ORG, name="main", provider="vapi", line_count=0, inbound_reserve=2
    )

    assert (created.lines, created.inbound_reserve, created.active, created.lines_in_use) == (10, 2, True, 0)
    assert await house.accounts.get(org_id=ORG, account_id=created.id) == created
    with pytest.raises(ProviderAccountNotFound):
        await house.accounts.get(org_id=OTHER_ORG, account_id=created.id)
    with pytest.raises(ProviderAccountNotFound):
        await house.accounts.update(org_id=OTHER_ORG, account_id=created.id, line_count=1)


async def test_names_are_unique_in_an_organization(house: House) -> None:
    for org_id in (ORG, OTHER_ORG):
        await house.accounts.create(
            org_id=org_id, name="main", provider="vapi", line_count=1, inbound_reserve=0
        )

    with pytest.raises(ProviderAccountNameTaken):
        await house.accounts.create(org_id=ORG, name="main", provider="vapi", line_count=1, inbound_reserve=0)


async def test_a_reserve_larger_than_the_lines_is_refused(house: House) -> None:
    with pytest.raises(InvalidArgument):
        await house.accounts.create(org_id=ORG, name="main", provider="vapi", line_count=2, inbound_reserve=3)


async def test_lists_go_on_where_they_stopped(house: House) -> None:
    created = [
        await house.accounts.create(org_id=ORG, name=name, provider="vapi", line_count=1, inbound_reserve=0)
        for name in "abc"
    ]

    first = await house.accounts.list(org_id=ORG, after=None, limit=2)
    rest = await house.accounts.list(org_id=ORG, after=(first[-1].created_at, first[-1].id), limit=2)

    assert [account.id for account in [*first, *rest]] == [account.id for account in created]


async def test_outbound_calls_leave_the_inbound_reserve_free(house: House) -> None:
    await house.accounts.create(org_id=ORG, name="main", provider="vapi", line_count=5, inbound_reserve=2)

    answers = [await house.placements.place(order(), org_id=ORG) for _ in range(5)]

    assert [answer.result for answer in answers].count(PlacementResult.PLACED) == 3
    async with transaction(house.pool, org_id=ORG) as conn:
        assert await lines.take_inbound(conn, org_id=ORG, call_ids=[uuid4() for _ in range(3)]) == 2


async def test_inbound_calls_take_the_reserve_first_and_each_one_line(house: House) -> None:
    await house.accounts.create(org_id=ORG, name="main", provider="vapi", line_count=3, inbound_reserve=1)
    call_id = uuid4()

    async with transaction(house.pool, org_id=ORG) as conn:
        assert await lines.take_inbound(conn, org_id=ORG, call_ids=[call_id, call_id]) == 1
        assert await lines.take_inbound(conn, org_id=ORG, call_ids=[call_id]) == 0

    held = await house.database.fetch("SELECT outbound FROM calls.lines WHERE call_id = $1", call_id)
    assert [row["outbound"] for row in held] == [False]


async def test_releasing_twice_frees_once_and_only_ones_own(house: House) -> None:
    first, second = order(), order()
    for wanted in (first, second):
        await house.placements.place(wanted, org_id=ORG)

    async with transaction(house.pool, org_id=ORG) as conn:
        assert await lines.release(conn, call_ids=[first.call_id]) == 1
        assert await lines.release(conn, call_ids=[first.call_id]) == 0

    assert await house.lines_in_use() == 1


async def test_fewer_lines_than_calls_admit_no_new_call_until_enough_have_ended(house: House) -> None:
    account = await house.accounts.create(
        org_id=ORG, name="main", provider="vapi", line_count=4, inbound_reserve=0
    )
    active = [order() for _ in range(4)]
    for wanted in active:
        await house.placements.place(wanted, org_id=ORG)

    lowered = await house.accounts.update(org_id=ORG, account_id=account.id, line_count=2)

    assert (lowered.lines, lowered.lines_in_use) == (2, 4)
    in_use = []
    for wanted in active:
        async with transaction(house.pool, org_id=ORG) as conn:
            await lines.release(conn, call_ids=[wanted.call_id])
        await house.placements.place(order(), org_id=ORG)
        in_use.append(await house.lines_in_use())
    assert in_use == [3, 2, 2, 2]
    await house.reconciliation.free_lines()
    assert len(await house.database.fetch("SELECT FROM calls.lines")) == 2


async def test_an_organization_without_an_account_gets_one_at_its_first_calls(house: House) -> None:
    house.provider.lines = 100

    await asyncio.gather(*(house.placements.place(order(), org_id=ORG) for _ in range(12)))

    (account,) = await house.accounts.list(org_id=ORG, after=None, limit=10)
    assert (account.name, account.lines, account.lines_in_use) == ("default", 10, 10)
