"""Background loops: when they step, and that they do not die."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from libs.loops import Loop


@asynccontextmanager
async def _running(step: Callable[[], Awaitable[int]], *, interval_seconds: float) -> AsyncIterator[Loop]:
    loop = Loop("test", step, interval_seconds=interval_seconds)
    task = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


class _Step:
    """Hands out scripted answers, then zeros."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.count = 0
        self.stepped = asyncio.Condition()

    async def __call__(self) -> int:
        self.count += 1
        async with self.stepped:
            self.stepped.notify_all()
        answer = self._answers.pop(0) if self._answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def until(self, count: int) -> None:
        async with asyncio.timeout(2), self.stepped:
            await self.stepped.wait_for(lambda: self.count >= count)


async def test_it_steps_again_at_once_while_there_is_work() -> None:
    step = _Step(3, 1, 2)
    async with _running(step, interval_seconds=60):
        await step.until(4)
        await asyncio.sleep(0.02)

        assert step.count == 4


async def test_it_steps_when_woken() -> None:
    step = _Step()
    async with _running(step, interval_seconds=60) as loop:
        await step.until(1)
        loop.wake()
        await step.until(2)

        assert step.count == 2


async def test_it_steps_on_its_interval() -> None:
    step = _Step()
    async with _running(step, interval_seconds=0.02):
        await step.until(3)

        assert step.count >= 3


async def test_a_wake_up_during_a_step_leads_to_another() -> None:
    entered, proceed = asyncio.Event(), asyncio.Event()
    count = 0

    async def step() -> int:
        nonlocal count
        count += 1
        entered.set()
        await proceed.wait()
        return 0

    async with _running(step, interval_seconds=60) as loop:
        await entered.wait()
        loop.wake()
        proceed.set()
        await asyncio.sleep(0.02)

        assert count == 2


async def test_an_exception_does_not_end_it() -> None:
    step = _Step(ValueError("once"))
    async with _running(step, interval_seconds=60) as loop:
        await step.until(1)
        loop.wake()
        await step.until(2)

        assert step.count == 2
