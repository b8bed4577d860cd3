"""The load generator, a process of its own: a Job as JSON on standard input, a Result on standard output.

It shares the machine with what it measures, so it is written to cost little: webhooks are written and signed
before the clock starts, connections are bare protocols, and nothing is awaited per webhook.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time

import msgspec
import uvloop

from deploy.bench.figures import percentile
from deploy.bench.lane import ACKNOWLEDGED, Lane, Tally
from deploy.bench.stock import Stock, is_quote

TOOL_CONNECTIONS = 16
# So many seconds in a row make it normal again.
CALM_SECONDS = 3


class Calm(msgspec.Struct, frozen=True, kw_only=True):
    """After the load: webhooks at this rate until all of them are acknowledged in this time."""

    rate: float
    ack_p95_seconds_max: float
    seconds_max: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` None is the closed loop. `prepared` webhooks are signed before the clock starts. If not
    `queued`, webhooks that are due while no connection is free are not sent. `tool_rate` are tool calls per
    second beside."""

    host: str
    port: int
    path: str
    secret: str
    connections: int
    seconds: float
    prepared: int
    rate: float | None = None
    queued: bool = True
    tool_rate: float = 0.0
    calm: Calm | None = None
    first_call: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A tally, told to the other process. `acked_in_time` leaves out what was acknowledged after the last
    webhook was due."""

    offered: int
    unsent: int
    wrong: int
    statuses: dict[int, int]
    latencies: list[float]
    refusal_latencies: list[float]
    late: list[float]
    acked_in_time: int

    @classmethod
    def of(cls, tally: Tally, *, acked_in_time: int) -> Told:
        return cls(
            offered=tally.offered,
            unsent=tally.unsent,
            wrong=tally.wrong,
            statuses=dict(tally.statuses),
            latencies=tally.latencies,
            refusal_latencies=tally.refusal_latencies,
            late=tally.late,
            acked_in_time=acked_in_time,
        )

    @property
    def acked(self) -> int:
        return self.statuses.get(ACKNOWLEDGED, 0)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`began_at` and `ended_at` are Unix seconds; `seconds` is how long webhooks were offered. `marks` are of
    everything that was acknowledged. `calm_after_seconds` is None if it did not get calm in time."""

    began_at: float
    ended_at: float
    seconds: float
    webhooks: Told
    tools: Told | None
    calm: Told | None
    calm_after_seconds: float | None
    marks: list[bytes]
    reconnects: int
    cpu_seconds: float


async def run(job: Job) -> Result:
    _allow_connections(job.connections + TOOL_CONNECTIONS)
    stock = Stock(path=job.path, host=f"{job.host}:{job.port}", secret=job.secret)
    lane = Lane(
        stock.webhooks(first_call=job.first_call, prepared=job.prepared),
        host=job.host,
        port=job.port,
        connections=job.connections,
    )
    tools = Lane(
        stock.tool_calls(),
        host=job.host,
        port=job.port,
        connections=TOOL_CONNECTIONS if job.tool_rate else 0,
        understood=is_quote,
    )
    await asyncio.gather(lane.connect(), tools.connect())
    # Everything made so far stays; looking through it again and again would cost more than it frees.
    gc.freeze()
    return await _measured(job, lane, tools)


async def _measured(job: Job, lane: Lane, tools: Lane) -> Result:
    cpu_before, began_at, began = time.process_time(), time.time(), time.monotonic()
    tool_tally = Tally()
    using_tools = asyncio.create_task(_use_tools(job, tools, tool_tally))
    if job.rate is None:
        tally = await lane.closed(seconds=job.seconds)
        acked_in_time, seconds = tally.statuses[ACKNOWLEDGED], time.monotonic() - began
    else:
        tally = Tally()
        await lane.open(tally, rate=job.rate, seconds=job.seconds, queued=job.queued)
        acked_in_time, seconds = tally.statuses[ACKNOWLEDGED], time.monotonic() - began
    over_at = time.monotonic()
    calm_tally, calm_after = (None, None) if job.calm is None else await _calmed(job.calm, lane, over_at)
    await lane.all_settled(tally)
    ended_at, cpu_seconds = time.time(), time.process_time() - cpu_before
    await using_tools
    await asyncio.gather(lane.disconnect(), tools.disconnect())
    acked = [*tally.acked, *tool_tally.acked, *(calm_tally.acked if calm_tally else ())]
    return Result(
        began_at=began_at,
        ended_at=ended_at,
        seconds=seconds,
        webhooks=Told.of(tally, acked_in_time=acked_in_time),
        tools=Told.of(tool_tally, acked_in_time=tool_tally.statuses[ACKNOWLEDGED]) if job.tool_rate else None,
        calm=Told.of(calm_tally, acked_in_time=calm_tally.statuses[ACKNOWLEDGED]) if calm_tally else None,
        calm_after_seconds=calm_after,
        marks=acked,
        reconnects=lane.reconnects,
        cpu_seconds=cpu_seconds,
    )


async def _use_tools(job: Job, tools: Lane, tally: Tally) -> None:
    if job.tool_rate:
        await tools.open(tally, rate=job.tool_rate, seconds=job.seconds)
        await tools.all_settled(tally)


async def _calmed(calm: Calm, lane: Lane, over_at: float) -> tuple[Tally, float | None]:
    """Offers second by second and looks at each when the next one is over."""
    seconds: list[Tally] = []
    began: list[float] = []
    calm_after = None
    while len(seconds) < calm.seconds_max + CALM_SECONDS and calm_after is None:
        seconds.append(Tally())
        began.append(time.monotonic())
        await lane.open(seconds[-1], rate=calm.rate, seconds=1.0)
        settled = seconds[-CALM_SECONDS - 1 : -1]
        if len(settled) == CALM_SECONDS and all(_is_calm(one, calm) for one in settled):
            calm_after = round(began[-CALM_SECONDS - 1] - over_at, 2)
    await asyncio.gather(*(lane.all_settled(one) for one in seconds))
    return _together(seconds), calm_after


def _is_calm(tally: Tally, calm: Calm) -> bool:
    whole = tally.statuses[ACKNOWLEDGED] == tally.offered
    return whole and percentile(tally.latencies, 0.95) <= calm.ack_p95_seconds_max


def _together(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for one in tallies:
        whole.offered += one.offered
        whole.unsent += one.unsent
        whole.statuses.update(one.statuses)
        whole.latencies += one.latencies
        whole.refusal_latencies += one.refusal_latencies
        whole.late += one.late
        whole.acked += one.acked
    return whole


def _allow_connections(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 100
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


if __name__ == "__main__":
    outcome = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    # A file of its own: with PYTHONUNBUFFERED, `sys.stdout.buffer` may write a part only.
    with os.fdopen(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(msgspec.json.encode(outcome))
    # Nothing is left to do, and freeing a hundred thousand bodies one by one takes a while.
    os._exit(0)
