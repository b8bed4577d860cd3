"""The benchmark's result: `bench.json` for programs, a table for people."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.bench.figures import medians, ratio
from deploy.bench.rounds import LOADS, ROUNDS, Measured

WIDTH = 120
COLUMNS = (
    "load",
    "acked/s",
    "of pgbench",
    "ack p50/p95/p99 ms",
    "fold lag p95 ms",
    "folded/s",
    "refused",
    "unanswered",
)


def summary(measured: Measured, *, load_average: Sequence[float]) -> dict[str, Any]:
    found: dict[str, Any] = medians(measured.rounds)
    return {
        "ok": not problems(measured),
        "problems": problems(measured),
        "machine": {"processors": os.cpu_count(), "load_average_before": list(load_average)},
        "rounds_done": len(measured.rounds),
        "rounds_wanted": ROUNDS,
        "medians": found,
        "ratios_to_pgbench": {
            load.name: ratio(found[load.name]["acked_per_second"], found["pgbench_tps"])
            for load in LOADS
            if load.rate is None
        },
        "memory_mib": {"before": measured.memory_before, "after": measured.memory_after},
        "webhooks": measured.sizes,
        "rounds": measured.rounds,
    }


def problems(measured: Measured) -> list[str]:
    """What makes the figures worthless; slowness does not."""
    found = [] if measured.rounds else ["no round was finished"]
    for number, one in enumerate(measured.rounds, start=1):
        for load in LOADS:
            figures = one[load.name]
            if isinstance(figures, Mapping):
                found += [f"round {number}, {load.name}: {text}" for text in _problems(figures)]
    if measured.unfolded:
        found.append(f"{measured.unfolded} webhooks became part of no call")
    return found


def _problems(figures: Mapping[str, Any]) -> list[str]:
    found = []
    if figures["stored"] < figures["acked"]:
        found.append(f"{figures['acked']} were acked but {figures['stored']} stored")
    if not figures["acked"]:
        found.append("nothing was acked")
    return found


def show(console: Console, result: Mapping[str, Any]) -> None:
    middle = result["medians"]
    console.print(
        f"\nMedians of {result['rounds_done']} rounds; pgbench: {middle['pgbench_tps']:,.0f} inserts/s\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in COLUMNS:
        table.add_column(title, justify="left" if title == "load" else "right")
    for load in LOADS:
        table.add_row(*_row(load.name, middle[load.name], result["ratios_to_pgbench"]))
    console.print(table)
    for problem in result["problems"]:
        console.print(f"[bold red]{problem}[/bold red]")


def _row(name: str, figures: Mapping[str, Any], ratios: Mapping[str, float | None]) -> list[str]:
    ack = figures["ack_ms"]
    return [
        name,
        f"{figures['acked_per_second']:,.0f}",
        str(ratios.get(name, "")),
        " / ".join(_text(ack[quantile]) for quantile in ("p50", "p95", "p99")),
        _text(figures["fold_lag_ms"]["p95"]),
        _text(figures["folded_per_second"]),
        _text(figures["refused"]),
        _text(figures["unanswered"]),
    ]


def _text(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:,.1f}"
