"""The micro-batcher: gathers while a batch is under way, acknowledges only what was stored, and never
grows."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from libs import failpoints
from services.gateway.domain.webhooks import IncomingEvent
from services.gateway.errors import IntakeFull, NotStored
from services.gateway.operations.intake import Intake


def event(body: bytes = b"{}") -> IncomingEvent:
    return IncomingEvent(uuid4(), uuid4(), "vapi", body, datetime.now(UTC), "")


class Ledger:
    """Stores when it is open; remembers every batch."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.fail = False

    async def ingest(self, events: Sequence[IncomingEvent]) -> None:
        self.batches.append(len(events))
        await self.open.wait()
        if self.fail:
            raise RuntimeError("no")


@asynccontextmanager
async def running(intake: Intake) -> AsyncIterator[None]:
    task = asyncio.create_task(intake.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_arrives_during_a_call_travels_together() -> None:
    ledger = Ledger()
    intake = Intake(ledger.ingest, senders=2)
    async with running(intake):
        waiting = []
        for _ in range(2):
            waiting.append(asyncio.create_task(intake.accept(event())))
            await settled()
        waiting += [asyncio.create_task(intake.accept(event())) for _ in range(30)]
        await settled()
        assert [1, 1] == ledger.batches
        assert not any(task.done() for task in waiting)
        ledger.open.set()
        await asyncio.gather(*waiting)

    assert [1, 1, 30] == ledger.batches


async def test_batches_leave_some_time_apart() -> None:
    """The first one at once; then, although nobody is on the way, a few wait for one another."""
    ledger = Ledger()
    ledger.open.set()
    intake = Intake(ledger.ingest, apart_seconds=0.5)
    async with running(intake):
        await intake.accept(event())
        waiting = []
        for _ in range(3):
            waiting.append(asyncio.create_task(intake.accept(event())))
            await settled()
        assert [1] == ledger.batches
        await asyncio.gather(*waiting)

    assert [1, 3] == ledger.batches


async def test_a_crowd_does_not_wait_for_its_time() -> None:
    ledger = Ledger()
    ledger.open.set()
    intake = Intake(ledger.ingest, apart_seconds=60)
    async with running(intake):
        await intake.accept(event())
        waiting = [asyncio.create_task(intake.accept(event())) for _ in range(50)]
        await settled()
        assert [1, 50] == ledger.batches
        await asyncio.gather(*waiting)


async def test_a_batch_has_an_upper_size() -> None:
    ledger = Ledger()
    ledger.open.set()
    intake = Intake(ledger.ingest, batch_max=10)
    async with running(intake):
        await asyncio.gather(*(intake.accept(event()) for _ in range(25)))

    assert [10, 10, 5] == ledger.batches


async def test_large_bodies_travel_in_small_batches() -> None:
    ledger = Ledger()
    ledger.open.set()
    intake = Intake(ledger.ingest)
    async with running(intake):
        await asyncio.gather(*(intake.accept(event(bytes(7 * 1024 * 1024))) for _ in range(3)))

    assert [1, 1, 1] == ledger.batches


async def test_a_full_queue_refuses_at_once() -> None:
    ledger = Ledger()
    intake = Intake(ledger.ingest, queue_max=3, senders=2)
    async with running(intake):
        waiting = []
        for _ in range(5):
            waiting.append(asyncio.create_task(intake.accept(event())))
            await settled()
        with pytest.raises(IntakeFull):
            await intake.accept(event())
        ledger.open.set()
        await asyncio.gather(*waiting)


async def test_a_failed_batch_is_not_acknowledged_and_the_next_one_is_tried() -> None:
    ledger = Ledger()
    ledger.fail = True
    ledger.open.set()
    intake = Intake(ledger.ingest)
    async with running(intake):
        results = await asyncio.gather(*(intake.accept(event()) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, NotStored) for result in results)
        ledger.fail = False
        await intake.accept(event())


async def test_whoever_waits_at_the_end_is_told_so() -> None:
    intake = Intake(Ledger().ingest)
    async with running(intake):
        waiting = [asyncio.create_task(intake.accept(event())) for _ in range(5)]
        await settled()
    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(result, NotStored) for result in results)


@pytest.mark.parametrize("name", ["gw.before_ingest", "gw.after_ingest"])
async def test_a_failure_on_either_side_of_the_call_is_not_acknowledged(name: str) -> None:
    ledger = Ledger()
    ledger.open.set()
    intake = Intake(ledger.ingest)
    failpoints.configure(f"{name}=error")
    try:
        async with running(intake):
            with pytest.raises(NotStored):
                await intake.accept(event())
    finally:
        failpoints.configure("")
