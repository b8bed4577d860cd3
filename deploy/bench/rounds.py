"""What is measured, how often and how long: rounds of pgbench and four loads, each until all is folded."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec

from deploy.bench.database import (
    Database,
    FoldLag,
    all_folded,
    connected,
    pgbench_tps,
    prepare_pgbench,
    stored,
    unfolded,
)
from deploy.bench.figures import spread_ms
from deploy.bench.load import Job, Result
from deploy.bench.memory import resident_megabytes
from deploy.local.child import StackError, tethered
from deploy.local.processes import Tell
from deploy.local.settings import ROOT
from deploy.local.stack import RunningStack

ROUNDS = 3
PGBENCH_SECONDS = 4
CLOSED_SECONDS = 5.0
CLOSED_COUNT_MAX = 15_000
# Many: the more wait at once, the larger the batches that are stored together.
CLOSED_CONNECTIONS = 256
OPEN_SECONDS = 6.0
OPEN_RATE = 1000.0
OPEN_CONNECTIONS = 256
CATCH_UP_SECONDS_MAX = 20.0
GENERATOR_SECONDS_MAX = 60.0
# No round begins later than this: the whole run stays below four minutes.
LAST_ROUND_BEGINS_SECONDS = 140.0
# Calls are numbered through the whole run, with room for every load.
CALLS_PER_LOAD = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`rate` None is the closed loop."""

    name: str
    through: str
    rate: float | None


LOADS = (
    Load(name="gateway_maximum", through="gateway", rate=None),
    Load(name="envoy_maximum", through="envoy", rate=None),
    Load(name="gateway_fixed_rate", through="gateway", rate=OPEN_RATE),
    Load(name="envoy_fixed_rate", through="envoy", rate=OPEN_RATE),
)
# Not counted: the first seconds of every process are slow.
WARM_UP = Load(name="warm_up", through="envoy", rate=None)

Round = dict[str, object]


class Bench:
    def __init__(self, running: RunningStack, conn: asyncpg.Connection, *, tell: Tell) -> None:
        self._running = running
        self._conn = conn
        self._tell = tell
        self._loads = 0
        self.sizes: dict[str, dict[str, int]] = {}

    async def measure(self, load: Load) -> Round:
        before = await stored(self._conn)
        async with connected(Database.of(self._running)) as watching:
            lag = FoldLag(watching)
            sampling = asyncio.create_task(lag.sample())
            try:
                result = await self._generated(load)
                caught_up = await all_folded(self._conn, within_seconds=CATCH_UP_SECONDS_MAX)
                caught_up_at = time.time() if caught_up else None
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
        figures = _figures(result, lag, caught_up_at=caught_up_at)
        figures["stored"] = await stored(self._conn) - before
        self._tell(f"    {load.name:<20} {_sentence(figures)}")
        return figures

    async def _generated(self, load: Load) -> Result:
        result = await generate(self._job(load))
        self._loads += 1
        if load.rate is None:
            self.sizes = result.sizes
        return result

    def _job(self, load: Load) -> Job:
        url = urlsplit(self._running["sources"]["vapi"]["url"])
        door = urlsplit(self._running.gateway_url) if load.through == "gateway" else url
        return Job(
            host=door.hostname or "",
            port=door.port or 0,
            path=url.path,
            secret=self._running["sources"]["vapi"]["secret"],
            connections=CLOSED_CONNECTIONS if load.rate is None else OPEN_CONNECTIONS,
            seconds=CLOSED_SECONDS if load.rate is None else OPEN_SECONDS,
            count_max=CLOSED_COUNT_MAX,
            rate=load.rate,
            first_call=self._loads * CALLS_PER_LOAD,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    rounds: list[Round]
    sizes: dict[str, dict[str, int]]
    memory_before: dict[str, float]
    memory_after: dict[str, float]
    unfolded: int


async def run(running: RunningStack, *, folder: Path, tell: Tell) -> Measured:
    begun = time.monotonic()
    database = Database.of(running)
    script = await prepare_pgbench(database, folder=folder)
    memory_before = resident_megabytes(running["pids"])
    rounds: list[Round] = []
    async with connected(database) as conn:
        bench = Bench(running, conn, tell=tell)
        await bench.measure(WARM_UP)
        while len(rounds) < ROUNDS and time.monotonic() - begun < LAST_ROUND_BEGINS_SECONDS:
            tell(f"  round {len(rounds) + 1} of {ROUNDS}")
            tps = await pgbench_tps(database, script=script, seconds=PGBENCH_SECONDS)
            tell(f"    {'pgbench':<20} {tps:,.0f} inserts/s")
            figures: Round = {"pgbench_tps": round(tps, 1)}
            for load in LOADS:
                figures[load.name] = await bench.measure(load)
            rounds.append(figures)
        return Measured(
            rounds=rounds,
            sizes=bench.sizes,
            memory_before=memory_before,
            memory_after=resident_megabytes(running["pids"]),
            unfolded=await unfolded(conn),
        )


async def generate(job: Job) -> Result:
    """One load, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-m", "deploy.bench.load"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        async with asyncio.timeout(GENERATOR_SECONDS_MAX):
            output, errors = await process.communicate(msgspec.json.encode(job))
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StackError(f"the load generator took more than {GENERATOR_SECONDS_MAX:.0f} s") from None
    if process.returncode != 0:
        raise StackError(f"the load generator failed\n{errors.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(output, type=Result)


def _figures(result: Result, lag: FoldLag, *, caught_up_at: float | None) -> Round:
    seconds = result.ended_at - result.began_at
    caught_up_seconds = None if caught_up_at is None else caught_up_at - result.ended_at
    return {
        "offered": result.offered,
        "acked": result.acked,
        "refused": result.refused,
        "unanswered": result.offered - result.acked - result.refused,
        "seconds": round(seconds, 3),
        "acked_per_second": round(result.acked / seconds, 1),
        "ack_ms": spread_ms(result.latencies),
        "fold_lag_ms": spread_ms(lag.between(result.began_at, result.ended_at)),
        "fold_caught_up_after_ms": None if caught_up_seconds is None else round(caught_up_seconds * 1000, 1),
        "folded_per_second": _per_second(result.acked, seconds, caught_up_seconds),
        "generator_late_ms": spread_ms(result.late),
        "generator_cpu_share": round(result.generator_cpu_seconds / seconds, 3),
    }


def _per_second(acked: int, seconds: float, caught_up_seconds: float | None) -> float | None:
    return None if caught_up_seconds is None else round(acked / (seconds + caught_up_seconds), 1)


def _sentence(figures: Round) -> str:
    ack, lag = figures["ack_ms"], figures["fold_lag_ms"]
    assert isinstance(ack, dict)  # noqa: S101
    assert isinstance(lag, dict)  # noqa: S101
    return (
        f"{figures['acked_per_second']:>8,} acked/s   ack p95 {ack['p95']} ms   "
        f"fold lag p95 {lag['p95']} ms   folded {figures['fold_caught_up_after_ms']} ms later"
    )
