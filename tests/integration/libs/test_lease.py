"""Leases: one holder, taken over when it expires, by the database's clock."""

import asyncio
import time

import pytest

from libs import pg
from libs.loops import Loop
from tests.support.postgres import Database
from tests.support.waiting import eventually


def _lease(pool: pg.Pool, *, ttl_seconds: float = 5.0, name: str = "work") -> pg.Lease:
    return pg.Lease(pool, schema="calls", name=name, ttl_seconds=ttl_seconds)


async def test_one_holder_at_a_time(calls_worker: pg.Pool) -> None:
    first, second = _lease(calls_worker), _lease(calls_worker)

    assert await first.acquire()
    assert not await second.acquire()
    assert await first.acquire()
    assert await _lease(calls_worker, name="other work").acquire()

    await second.release()
    assert not await second.acquire()
    await first.release()
    assert await second.acquire()


async def test_many_at_once_make_one_holder(calls_worker: pg.Pool) -> None:
    taken = await asyncio.gather(*(_lease(calls_worker).acquire() for _ in range(20)))

    assert taken.count(True) == 1


async def test_an_expired_lease_is_taken_over(calls_worker: pg.Pool) -> None:
    first, second = _lease(calls_worker, ttl_seconds=0.1), _lease(calls_worker)
    await first.acquire()

    await eventually(second.acquire, within_seconds=2)
    assert not await first.acquire()


async def test_a_kept_lease_outlives_its_time(calls_worker: pg.Pool) -> None:
    first, second = _lease(calls_worker, ttl_seconds=0.3), _lease(calls_worker)
    await first.acquire()

    async with first.kept():
        await asyncio.sleep(0.6)
        assert not await second.acquire()


async def test_losing_a_lease_stops_the_work(log_database: Database, calls_worker: pg.Pool) -> None:
    lease = _lease(calls_worker, ttl_seconds=0.3)
    await lease.acquire()
    started = time.monotonic()

    async def work() -> None:
        async with lease.kept():
            await log_database.execute(
                "UPDATE calls.leases SET holder = uuidv7(), expires_at = now() + interval '1 hour'"
            )
            await asyncio.sleep(10)

    with pytest.raises(pg.LeaseLost):
        await work()

    assert time.monotonic() - started < 2


async def test_cancelling_from_outside_is_not_a_lost_lease(calls_worker: pg.Pool) -> None:
    lease = _lease(calls_worker)
    await lease.acquire()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), lease.kept():
            await asyncio.sleep(10)


async def test_two_loops_with_one_lease_never_step_together(calls_worker: pg.Pool) -> None:
    running, together, steps = 0, 0, 0

    async def step() -> int:
        nonlocal running, together, steps
        running += 1
        together = max(together, running)
        steps += 1
        await asyncio.sleep(0.01)
        running -= 1
        return 0

    loops = [Loop("test", step, interval_seconds=0.01, lease=_lease(calls_worker)) for _ in range(2)]
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    await asyncio.sleep(0.4)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert (together, steps > 3) == (1, True)
    # A stopped loop lets the next one in at once.
    assert await _lease(calls_worker).acquire()


async def test_a_lease_that_is_held_is_not_asked_for_again_at_each_step(
    log_database: Database, calls_worker: pg.Pool
) -> None:
    lease = _lease(calls_worker, ttl_seconds=0.6)
    assert await lease.hold()
    [before] = await log_database.fetch("SELECT expires_at FROM calls.leases")
    assert await lease.hold()
    [same] = await log_database.fetch("SELECT expires_at FROM calls.leases")
    await asyncio.sleep(0.25)
    assert await lease.hold()
    [renewed] = await log_database.fetch("SELECT expires_at FROM calls.leases")

    assert before["expires_at"] == same["expires_at"] < renewed["expires_at"]
    await lease.release()
    other = _lease(calls_worker, ttl_seconds=0.6)
    assert await other.acquire()
    assert not await lease.hold()
