"""Refusals of an overload, given at a pace."""

import asyncio
from functools import partial

from services.gateway.http.refusals import Refusals


async def given(refusals: Refusals, count: int) -> list[int]:
    """Which of so many were given before the event loop went on."""
    told: list[int] = []
    for number in range(count):
        refusals.give(partial(told.append, number))
    at_once = list(told)
    async with asyncio.timeout(10):
        while len(told) < count:
            await asyncio.sleep(0.01)
    assert sorted(told) == told
    return at_once


async def test_a_few_are_given_at_once_and_the_others_in_their_turn() -> None:
    """OP-4: who is told at once sends again at once."""
    began = asyncio.get_running_loop().time()

    at_once = await given(Refusals(per_second=100), 25)

    assert [0, 1, 2, 3, 4] == at_once
    # Five in every twentieth of a second.
    assert asyncio.get_running_loop().time() - began > 0.15


async def test_nobody_waits_behind_too_many() -> None:
    """OP-4: the longest wait is known."""
    at_once = await given(Refusals(per_second=100, waiting_max=3), 20)

    assert list(range(17)) == at_once


async def test_a_pause_gives_the_next_ones_their_turn_at_once() -> None:
    refusals = Refusals(per_second=100)
    await given(refusals, 5)
    await asyncio.sleep(0.2)

    assert [0, 1] == await given(refusals, 2)
