"""The circuit breaker, by a clock of our own."""

import asyncio

import pytest

from libs.breaker import Breaker, BreakerOpen, State
from libs.errors import InvalidArgument, ServiceError


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def breaker(clock: _Clock) -> Breaker:
    return Breaker("test", failures_max=3, open_seconds=30, monotonic=clock)


def _state(breaker: Breaker) -> State:
    """A call, because a type checker takes an attribute for unchanged."""
    return breaker.state


async def _fail(breaker: Breaker, error: Exception | None = None) -> None:
    error = error or ServiceError()
    with pytest.raises(type(error)):
        async with breaker.guard():
            raise error


async def _succeed(breaker: Breaker) -> None:
    async with breaker.guard():
        pass


async def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    await _fail(breaker)
    await _fail(breaker)
    await _succeed(breaker)
    await _fail(breaker)
    await _fail(breaker)
    assert _state(breaker) is State.CLOSED

    await _fail(breaker)

    assert _state(breaker) is State.OPEN
    with pytest.raises(BreakerOpen) as raised:
        await _succeed(breaker)
    assert raised.value.retry_after_seconds == 30


async def test_a_definite_refusal_is_no_failure(breaker: Breaker) -> None:
    for _ in range(5):
        await _fail(breaker, InvalidArgument())

    assert _state(breaker) is State.CLOSED


async def test_one_probe_closes_it(breaker: Breaker, clock: _Clock) -> None:
    for _ in range(3):
        await _fail(breaker)
    clock.now += 30

    async with breaker.guard():
        with pytest.raises(BreakerOpen):
            await _succeed(breaker)

    assert _state(breaker) is State.CLOSED


async def test_a_failed_probe_opens_it_again(breaker: Breaker, clock: _Clock) -> None:
    for _ in range(3):
        await _fail(breaker)
    clock.now += 31
    await _fail(breaker)
    clock.now += 29

    with pytest.raises(BreakerOpen):
        await _succeed(breaker)
    clock.now += 1
    await _succeed(breaker)
    assert _state(breaker) is State.CLOSED


async def test_a_cancelled_probe_leaves_room_for_the_next(breaker: Breaker, clock: _Clock) -> None:
    for _ in range(3):
        await _fail(breaker)
    clock.now += 30

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), breaker.guard():
            await asyncio.sleep(1)

    assert _state(breaker) is State.OPEN
    await _succeed(breaker)
    assert _state(breaker) is State.CLOSED


async def test_a_straggler_does_not_close_it(breaker: Breaker) -> None:
    async with breaker.guard():
        for _ in range(3):
            await _fail(breaker)

    assert _state(breaker) is State.OPEN
