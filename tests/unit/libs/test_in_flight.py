"""Work that outlives its step."""

import asyncio

from libs.in_flight import InFlight


async def test_there_is_room_again_when_work_ends_even_badly() -> None:
    woken: list[int] = []
    release = asyncio.Event()
    flight = InFlight("test", limit=2, on_done=lambda: woken.append(flight.free))

    async def work(*, fails: bool) -> None:
        await release.wait()
        if fails:
            raise ValueError("not shown to anybody")

    flight.start(work(fails=True))
    flight.start(work(fails=False))
    full = flight.free
    release.set()
    await flight.drain(seconds_max=1)

    assert (0, 2, [1, 2]) == (full, flight.free, woken)


async def test_draining_waits_so_long_and_then_cancels() -> None:
    ended: list[str] = []

    async def work(seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            ended.append("done")
        except asyncio.CancelledError:
            ended.append("canceled")
            raise

    flight = InFlight("test", limit=2, on_done=lambda: None)
    flight.start(work(0.01))
    flight.start(work(60))
    await flight.drain(seconds_max=0.1)

    assert (["done", "canceled"], 2) == (ended, flight.free)
