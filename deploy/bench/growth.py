"""How intake and reads change as tables grow: nothing stored, then a million events, then ten million."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from deploy.bench.bulk import EVENTS_PER_CALL, fill, prepare_session
from deploy.bench.database import Database, connected
from deploy.bench.figures import medians
from deploy.bench.measuring import Figures, Measuring
from deploy.bench.queries import timed_queries
from deploy.bench.rounds import LOADS, WARM_UP, problems_of
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

EVENTS_MAX = 10_000_000
STEPS = (0, 1_000_000, 10_000_000)
REPEATS = 3
_CALLS_PER_STATEMENT = 5_000
_LOADERS = 2
_LOADS = tuple(load for load in LOADS if load.name in ("gateway_maximum", "gateway_fixed_rate"))
_TABLES = ("provider_events", "provider_event_keys", "calls", "call_events", "own_facts", "leads")


async def run(running: RunningStack, *, events_max: int, tell: Tell) -> dict[str, Any]:
    """The section `growth` of the result."""
    database = Database.of(running)
    measured: list[dict[str, Any]] = []
    async with connected(database) as conn:
        measuring = Measuring(running, conn, plain=None, tell=tell)
        await measuring.measure(WARM_UP)
        loaded = 0
        for events in steps(events_max):
            tell(f"  {events:,} events loaded before")
            seconds = await _load(database, since=loaded, until=events, total=events_max)
            loaded = events
            measured.append(
                {
                    "events": events,
                    "loaded_in_seconds": seconds,
                    "database_bytes": await conn.fetchval("SELECT pg_database_size(current_database())"),
                    **await _measured(measuring),
                    "queries_ms": await timed_queries(running, tell=tell),
                }
            )
    return {
        "problems": [problem for step in measured for problem in step.pop("problems")],
        "events_per_call": EVENTS_PER_CALL,
        "steps": measured,
    }


def steps(events_max: int) -> list[int]:
    """How many events there are each time something is measured."""
    return sorted({*(step for step in STEPS if step <= events_max), events_max})


async def _measured(measuring: Measuring) -> Figures:
    found: dict[str, Any] = {"problems": []}
    for load in _LOADS:
        repeats = [await measuring.measure(load) for _ in range(REPEATS)]
        found[load.name] = medians(repeats)
        found["problems"] += [f"growth: {text}" for one in repeats for text in problems_of(one)]
    return found


async def _load(database: Database, *, since: int, until: int, total: int) -> float:
    """Adds events until there are so many, in two sessions, and leaves the tables as autovacuum would."""
    begun = time.monotonic()
    if until == since:
        return 0.0
    first, last = since // EVENTS_PER_CALL, until // EVENTS_PER_CALL
    pieces = iter(range(first, last, _CALLS_PER_STATEMENT))

    async def load() -> None:
        async with connected(database) as conn:
            org_id = await conn.fetchval("SELECT id FROM gateway.organizations ORDER BY created_at LIMIT 1")
            await prepare_session(conn)
            for piece in pieces:
                end = min(piece + _CALLS_PER_STATEMENT, last)
                await fill(conn, org_id=org_id, first=piece, last=end - 1, total=total // EVENTS_PER_CALL)

    await asyncio.gather(*(load() for _ in range(_LOADERS)))
    async with connected(database) as conn:
        for table in _TABLES:
            await conn.execute(f"VACUUM ANALYZE calls.{table}")
        await conn.execute("CHECKPOINT")
    return round(time.monotonic() - begun, 1)
