"""The ordinary run: three rounds of pgbench and loads, one after the other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from deploy.bench.database import PGBENCH_WAYS, Database, connected, pgbench_tps, prepare_pgbench, unfolded
from deploy.bench.figures import medians, ratio
from deploy.bench.load import Calm
from deploy.bench.measuring import Figures, Load, Measuring
from deploy.bench.memory import resident_megabytes
from deploy.bench.plain_server import plain_server
from deploy.bench.webhooks import sizes, webhooks
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

ROUNDS = 3
PGBENCH_SECONDS = 3
CLOSED_SECONDS = 5.0
OPEN_SECONDS = 6.0
RATE = 1000.0
TOOL_SECONDS = 8.0
TOOL_RATE = 20.0
# The maximum is what is reached however many wait: the more they are, the larger the batches that are stored
# together. The plain handler has no batches and stores more for fewer connections, so it has fewer.
MAXIMUM_CONNECTIONS = 1024
OVERLOAD_SECONDS = 10.0
OVERLOAD_TIMES = 10
# More than the gateway lets wait, so that it has to refuse.
OVERLOAD_CONNECTIONS = 3000
NORMAL = Calm(rate=RATE, ack_p95_seconds_max=0.05, seconds_max=30)
# No round begins later than this: the whole run stays below ten minutes.
LAST_ROUND_BEGINS_SECONDS = 400.0
SIZES_OF = 15_000

# Not counted: the first seconds of every process are slow.
WARM_UP = Load(name="warm_up", through="envoy", seconds=CLOSED_SECONDS)
LOADS = (
    Load(name="plain_maximum", through="plain", seconds=CLOSED_SECONDS),
    Load(name="gateway_maximum", through="gateway", seconds=CLOSED_SECONDS, connections=MAXIMUM_CONNECTIONS),
    Load(name="envoy_maximum", through="envoy", seconds=CLOSED_SECONDS, connections=MAXIMUM_CONNECTIONS),
    Load(name="gateway_fixed_rate", through="gateway", seconds=OPEN_SECONDS, rate=RATE),
    Load(name="envoy_fixed_rate", through="envoy", seconds=OPEN_SECONDS, rate=RATE),
    Load(name="tool_calls", through="envoy", seconds=TOOL_SECONDS, rate=RATE, tool_rate=TOOL_RATE),
)
MAXIMA = ("plain_maximum", "gateway_maximum", "envoy_maximum")
OVERLOADS = {"gateway_overload": "gateway_maximum"}


def overload(name: str, *, maximum: float) -> Load:
    """Ten times what was just measured as the maximum through the same door."""
    return Load(
        name=name,
        through=name.partition("_")[0],
        seconds=OVERLOAD_SECONDS,
        rate=OVERLOAD_TIMES * maximum,
        connections=OVERLOAD_CONNECTIONS,
        queued=False,
        prepared=int(maximum * OVERLOAD_SECONDS * 1.5) + OVERLOAD_CONNECTIONS,
        calm=NORMAL,
    )


async def run(running: RunningStack, *, folder: Path, tell: Tell) -> dict[str, Any]:
    """The section `intake` of the result."""
    begun = time.monotonic()
    database = Database.of(running)
    script = await prepare_pgbench(database, folder=folder)
    secret = running["sources"]["vapi"]["secret"]
    memory_before = resident_megabytes(running["pids"])
    rounds: list[Figures] = []
    async with connected(database) as conn, plain_server(database, secret=secret) as plain:
        measuring = Measuring(running, conn, plain=plain, tell=tell)
        await measuring.measure(WARM_UP)
        while len(rounds) < ROUNDS and time.monotonic() - begun < LAST_ROUND_BEGINS_SECONDS:
            tell(f"  round {len(rounds) + 1} of {ROUNDS}")
            rounds.append(await _round(measuring, database, script=script, tell=tell))
        unreadable = await unfolded(conn)
    return summary(
        rounds,
        unreadable=unreadable,
        memory={"before": memory_before, "after": resident_megabytes(running["pids"])},
    )


async def _round(measuring: Measuring, database: Database, *, script: Path, tell: Tell) -> Figures:
    async def pgbench(way: str) -> float:
        tps = await pgbench_tps(database, way=way, script=script, seconds=PGBENCH_SECONDS)
        tell(f"    {way:<20} {tps:>8,.0f} inserts/s")
        return round(tps, 1)

    figures: dict[str, Any] = {way: await pgbench(way) for way in PGBENCH_WAYS}
    before = figures["pgbench_tps"]
    for load in LOADS:
        figures[load.name] = await measuring.measure(load)
        if load.name in MAXIMA:
            # Machines change their speed within a minute; what is compared must have been measured beside.
            after = await pgbench("pgbench_tps")
            figures[load.name]["pgbench_tps_beside"] = round((before + after) / 2, 1)
            before = after
    for name, of in OVERLOADS.items():
        maximum = figures[of]["acked_per_second"]
        figures[name] = await measuring.measure(overload(name, maximum=maximum))
        figures[name]["goodput_of_maximum"] = ratio(figures[name]["acked_per_second"], maximum)
    return figures


def summary(rounds: list[Figures], *, unreadable: int, memory: dict[str, dict[str, float]]) -> dict[str, Any]:
    found: dict[str, Any] = medians(rounds) if rounds else {}
    return {
        "problems": problems(rounds, unreadable=unreadable),
        "rounds_done": len(rounds),
        "rounds_wanted": ROUNDS,
        "ratios": _ratios(rounds),
        "medians": found,
        "memory_mib": memory,
        "webhooks": sizes(
            [webhook for webhook, _ in zip(webhooks(first_call=0), range(SIZES_OF), strict=False)]
        ),
        "rounds": rounds,
    }


def _ratios(rounds: list[Figures]) -> dict[str, Any]:
    """Medians of the rounds' own ratios."""
    return medians([_ratios_of(one) for one in rounds]) if rounds else {}


def _ratios_of(one: dict[str, Any]) -> dict[str, object]:
    maxima = {name: one[name]["acked_per_second"] for name in MAXIMA}
    found: dict[str, object] = {}
    for name, maximum in maxima.items():
        found[f"{name}_to_pgbench"] = ratio(maximum, one[name]["pgbench_tps_beside"])
        found[f"{name}_to_pgbench_prepared"] = ratio(maximum, one["pgbench_prepared_tps"])
    return {
        **found,
        "gateway_maximum_to_plain": ratio(maxima["gateway_maximum"], maxima["plain_maximum"]),
    }


def problems(rounds: list[Figures], *, unreadable: int) -> list[str]:
    """What makes the figures worthless, above all a loss; slowness does not."""
    found = [] if rounds else ["no round was finished"]
    for number, one in enumerate(rounds, start=1):
        for name, figures in one.items():
            if isinstance(figures, dict):
                told = problems_of(figures, overloaded=name in OVERLOADS)
                found += [f"round {number}, {name}: {text}" for text in told]
    if unreadable:
        found.append(f"{unreadable} webhooks became part of no call")
    return found


def problems_of(figures: dict[str, Any], *, overloaded: bool = False) -> list[str]:
    """In an overload even no ack at all is a figure."""
    found = []
    if figures["lost"]:
        found.append(f"{figures['lost']} were acked and are not in the ledger")
    if not figures["acked"] and not overloaded:
        found.append("nothing was acked")
    return found
