"""The long run: a moderate rate for ten minutes, and whether anybody's memory grows meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from deploy.bench.database import Database, connected, unfolded
from deploy.bench.measuring import Load, Measuring
from deploy.bench.memory import Resident
from deploy.bench.rounds import WARM_UP, problems_of
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

SECONDS = 600
RATE = 500.0
# Pools, caches and arenas fill in the beginning.
SETTLED_AFTER_SHARE = 0.2


async def run(running: RunningStack, *, seconds: int, tell: Tell) -> dict[str, Any]:
    """The section `soak` of the result."""
    load = Load(name="soak", through="envoy", seconds=seconds, rate=RATE)
    resident = Resident(running["pids"])
    async with connected(Database.of(running)) as conn:
        measuring = Measuring(running, conn, plain=None, tell=tell)
        await measuring.measure(WARM_UP)
        sampling = asyncio.create_task(resident.sample())
        began_at = time.time()
        try:
            figures = await measuring.measure(load)
        finally:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        unreadable = await unfolded(conn)
    found = problems_of(figures)
    if unreadable:
        found.append(f"{unreadable} webhooks became part of no call")
    return {
        "problems": [f"soak: {text}" for text in found],
        "seconds": seconds,
        "rate": RATE,
        "load": figures,
        "memory": resident.growth(since=began_at + seconds * SETTLED_AFTER_SHARE, until=began_at + seconds),
    }
