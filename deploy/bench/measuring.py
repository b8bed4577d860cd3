"""One load on the running stack: what it is, and what is measured while it runs and after it."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg
import msgspec

from deploy.bench.connection import NO_ANSWER
from deploy.bench.database import Database, FoldLag, Ledger, all_folded, connected
from deploy.bench.figures import Figure, spread_ms
from deploy.bench.lane import ACKNOWLEDGED
from deploy.bench.load import Calm, Job, Result, Told
from deploy.bench.plain_server import PlainServer
from deploy.local.child import StackError, tethered
from deploy.local.processes import Tell
from deploy.local.settings import ROOT
from deploy.local.stack import RunningStack

CONNECTIONS = 256
# A load that begins while the last one is still being folded measures both.
CATCH_UP_SECONDS_MAX = 60.0
# Beyond the seconds of the load itself: signing before it, waiting for answers after it.
GENERATOR_SECONDS_MAX = 60.0
# Calls are numbered through the whole run, with room for every load.
CALLS_PER_LOAD = 20_000

Figures = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """`through` is `gateway`, `envoy` or `plain`. `rate` None is the closed loop."""

    name: str
    through: str
    seconds: float
    rate: float | None = None
    tool_rate: float = 0.0
    connections: int = CONNECTIONS
    queued: bool = True
    # More than any closed loop here gets answered: signing beside it would take the product's time.
    prepared: int = 40_000
    calm: Calm | None = None


class Measuring:
    def __init__(
        self, running: RunningStack, conn: asyncpg.Connection, *, plain: PlainServer | None, tell: Tell
    ) -> None:
        self._running = running
        self._conn = conn
        self._plain = plain
        self._tell = tell
        self._loads = 0

    async def measure(self, load: Load) -> Figures:
        """Goes on once everything is folded, or CATCH_UP_SECONDS_MAX after the load."""
        async with connected(Database.of(self._running)) as watching:
            lag = FoldLag(watching)
            sampling = asyncio.create_task(lag.sample())
            try:
                ledger = self._ledger(load)
                place = await ledger.place()
                result = await self._generated(load)
                caught_up = await all_folded(self._conn, within_seconds=CATCH_UP_SECONDS_MAX)
                caught_up_at = time.time() if caught_up else None
            finally:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
        figures = told(result, lag, caught_up_at=caught_up_at)
        stored = await ledger.marks_since(place)
        figures["stored"] = len(stored)
        figures["lost"] = len(set(result.marks) - set(stored))
        self._tell(f"    {load.name:<20} {_sentence(figures)}")
        return figures

    def _ledger(self, load: Load) -> Ledger:
        if self._plain is not None and load.through == "plain":
            return self._plain.ledger
        return Ledger(self._conn)

    async def _generated(self, load: Load) -> Result:
        job = self._job(load)
        self._loads += 1
        return await generate(job)

    def _job(self, load: Load) -> Job:
        public = urlsplit(self._running["sources"]["vapi"]["url"])
        doors = {"gateway": self._running.gateway_url, "plain": self._plain.url if self._plain else ""}
        door = urlsplit(doors[load.through]) if load.through in doors else public
        return Job(
            host=door.hostname or "",
            port=door.port or 0,
            path=public.path,
            secret=self._running["sources"]["vapi"]["secret"],
            connections=load.connections,
            seconds=load.seconds,
            prepared=load.prepared,
            rate=load.rate,
            queued=load.queued,
            tool_rate=load.tool_rate,
            calm=load.calm,
            first_call=self._loads * CALLS_PER_LOAD,
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
    seconds_max = job.seconds + (job.calm.seconds_max if job.calm else 0) + GENERATOR_SECONDS_MAX
    try:
        async with asyncio.timeout(seconds_max):
            output, errors = await process.communicate(msgspec.json.encode(job))
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StackError(f"the load generator took more than {seconds_max:.0f} s") from None
    if process.returncode != 0:
        raise StackError(f"the load generator failed\n{errors.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(output, type=Result)


def told(result: Result, lag: FoldLag, *, caught_up_at: float | None) -> Figures:
    """A load in figures; the same names for every load."""
    webhooks = result.webhooks
    caught_up_seconds = None if caught_up_at is None else caught_up_at - result.ended_at
    answers = sum(webhooks.statuses.values()) + (sum(result.calm.statuses.values()) if result.calm else 0)
    elapsed = result.ended_at - result.began_at
    return {
        "offered": webhooks.offered,
        "unsent": webhooks.unsent,
        "acked": webhooks.acked,
        **_refusals(webhooks),
        "seconds": round(result.seconds, 3),
        "acked_per_second": round(webhooks.acked_in_time / result.seconds, 1),
        "ack_ms": spread_ms(webhooks.latencies),
        "refusal_ms": spread_ms(webhooks.refusal_latencies),
        "fold_lag_ms": spread_ms(lag.between(result.began_at, result.ended_at)),
        "fold_caught_up_after_ms": None if caught_up_seconds is None else round(caught_up_seconds * 1000, 1),
        "folded_per_second": _per_second(webhooks.acked, elapsed, caught_up_seconds),
        "normal_after_seconds": result.calm_after_seconds,
        "tools": _tools(result.tools),
        "generator_late_ms": spread_ms(webhooks.late),
        "generator_cpu_share": round(result.cpu_seconds / elapsed, 3),
        "generator_cpu_us_per_webhook": round(result.cpu_seconds / answers * 1e6, 1) if answers else None,
        "generator_reconnects": result.reconnects,
    }


def _refusals(webhooks: Told) -> dict[str, int]:
    known = {ACKNOWLEDGED, NO_ANSWER, 503, 429}
    refused = {status: count for status, count in webhooks.statuses.items() if status not in known}
    return {
        "refused_503": webhooks.statuses.get(503, 0),
        "refused_429": webhooks.statuses.get(429, 0),
        "refused_otherwise": sum(refused.values()),
        "unanswered": webhooks.offered - webhooks.unsent - sum(webhooks.statuses.values())
        + webhooks.statuses.get(NO_ANSWER, 0),
    }  # fmt: skip


def _tools(tools: Told | None) -> Figures:
    """All None if no tool was asked for."""
    if tools is None:
        return {"answered": None, "without_quote": None, "answer_ms": spread_ms([])}
    return {
        "answered": tools.acked,
        "without_quote": tools.wrong + tools.offered - tools.acked,
        "answer_ms": spread_ms(tools.latencies),
    }


def _per_second(acked: int, seconds: float, caught_up_seconds: float | None) -> Figure:
    return None if caught_up_seconds is None else round(acked / (seconds + caught_up_seconds), 1)


def _sentence(figures: Figures) -> str:
    ack, lag = figures["ack_ms"], figures["fold_lag_ms"]
    assert isinstance(ack, dict)  # noqa: S101
    assert isinstance(lag, dict)  # noqa: S101
    return (
        f"{figures['acked_per_second']:>8,} acked/s   ack p95 {ack['p95']} ms   "
        f"fold lag p95 {lag['p95']} ms   folded {figures['fold_caught_up_after_ms']} ms later"
    )
