"""The benchmark's result for people: tables of what was measured, and of what was wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.bench.figures import Figure
from deploy.bench.machine import sentence
from deploy.bench.wanted import BY_SECTION, Compared, compared

WIDTH = 120
_LOAD_COLUMNS = (
    "load",
    "acked/s",
    "ack p50/p95/p99 ms",
    "fold lag p95 ms",
    "folded/s",
    "refused",
    "unsent",
    "generator CPU",
)
_REACHED = {True: "reached", False: "[bold]not reached[/bold]", None: "not measured"}


def show(console: Console, result: Mapping[str, Any], *, measured: list[str]) -> None:
    """`measured` are the sections of this run; the result may hold others of earlier runs."""
    for name in measured:
        section = result[name]
        console.print(f"\n[bold]{name}[/bold] on {sentence(section['machine'])}\n", soft_wrap=True)
        _SHOWN[name](console, section)
    console.print(_wanted_table(result))
    console.print(_remarks(result), soft_wrap=True)
    for problem in result["problems"]:
        console.print(problem, style="bold red", markup=False)


def _show_intake(console: Console, section: Mapping[str, Any]) -> None:
    middle = section["medians"]
    if not middle:
        return
    ratios = section["ratios"]
    console.print(
        f"Medians of {section['rounds_done']} rounds. `pgbench -c 32`: {middle['pgbench_tps']:,.0f} "
        f"inserts/s; prepared and with 2 threads: {middle['pgbench_prepared_tps']:,.0f}. Of the latter, the "
        f"gateway's maximum is {ratios['gateway_maximum_to_pgbench_prepared']}, Envoy's "
        f"{ratios['envoy_maximum_to_pgbench_prepared']}.\n",
        soft_wrap=True,
    )
    console.print(_loads_table(middle))
    tools, overload = middle["tool_calls"]["tools"]["answer_ms"], middle["gateway_overload"]
    console.print(
        f"\nTool calls: p50/p95/p99 {_quantiles(tools)} ms. Overload: {overload['refused_503']:,.0f} x 503, "
        f"{overload['refused_429']:,.0f} x 429, after p50/p95/p99 {_quantiles(overload['refusal_ms'])} ms.\n"
    )


def _show_growth(console: Console, section: Mapping[str, Any]) -> None:
    steps = section["steps"]
    table = _table("medians of three", *(f"{step['events']:,} events" for step in steps))
    rows: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
        "gateway maximum, acked/s": lambda step: step["gateway_maximum"]["acked_per_second"],
        "1,000/s: ack p95 ms": lambda step: step["gateway_fixed_rate"]["ack_ms"]["p95"],
        "1,000/s: fold lag p95 ms": lambda step: step["gateway_fixed_rate"]["fold_lag_ms"]["p95"],
        "database, MiB": lambda step: step["database_bytes"] / 2**20,
    }
    for title, find in rows.items():
        table.add_row(title, *(_text(find(step)) for step in steps))
    for name in steps[0]["queries_ms"]:
        table.add_row(
            f"{name}: p50/p95 ms",
            *(f"{_text(one[name]['p50'])} / {_text(one[name]['p95'])}" for one in _queries(steps)),
        )
    console.print(table)
    console.print()


def _queries(steps: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return (step["queries_ms"] for step in steps)


def _show_soak(console: Console, section: Mapping[str, Any]) -> None:
    console.print(f"{section['rate']:,.0f} webhooks/s for {section['seconds']} s, through Envoy.\n")
    console.print(_loads_table({"soak": section["load"]}))
    table = _table("process", "MiB at the first fifth", "MiB at the end", "MiB per minute")
    for name, memory in section["memory"].items():
        table.add_row(name, *(_text(memory[key]) for key in ("first_mib", "last_mib", "mib_per_minute")))
    console.print()
    console.print(table)
    console.print()


def _show_dials(console: Console, section: Mapping[str, Any]) -> None:
    one, crowd = section["one"], section["crowd"]
    table = _table(
        "", "campaigns", "calls", "seconds", "most at once", "refill p50/p95/p99 ms", "slots taken"
    )
    refill = _quantiles(one["refill_ms"])
    table.add_row(
        "one campaign",
        "1",
        *(_text(one[name]) for name in ("dialed", "seconds", "most_at_once")),
        refill,
        f"{_text((one['utilization'] or 0.0) * 100)} %",
    )
    table.add_row(
        "many at once",
        *(_text(crowd[name]) for name in ("campaigns", "dialed", "seconds", "most_at_once")),
        "-",
        "-",
    )
    console.print(table)
    console.print()


_SHOWN = {"intake": _show_intake, "growth": _show_growth, "soak": _show_soak, "dials": _show_dials}


def _loads_table(loads: Mapping[str, Any]) -> Table:
    table = _table(*_LOAD_COLUMNS)
    for name, figures in loads.items():
        if isinstance(figures, Mapping):
            table.add_row(name, *_load_row(figures))
    return table


def _load_row(figures: Mapping[str, Any]) -> list[str]:
    refused = sum(figures[f"refused_{how}"] for how in ("503", "429", "otherwise")) + figures["unanswered"]
    return [
        f"{figures['acked_per_second']:,.0f}",
        _quantiles(figures["ack_ms"]),
        _text(figures["fold_lag_ms"]["p95"]),
        _text(figures["folded_per_second"]),
        _text(refused),
        _text(figures["unsent"]),
        f"{_text(figures['generator_cpu_share'] * 100)} %",
    ]


def comparisons(result: Mapping[str, Any]) -> list[Compared]:
    """All figures that are wanted, of all sections that were ever measured."""
    return [
        compared(wanted, result[name])
        for name, all_wanted in BY_SECTION.items()
        for wanted in all_wanted
        if name in result and (name != "intake" or result[name]["rounds"])
    ]


def _wanted_table(result: Mapping[str, Any]) -> Table:
    table = _table("figure", "wanted", "measured", "")
    for one in comparisons(result):
        measured = "-" if one.measured is None else f"{_text(one.measured)}{one.unit}"
        table.add_row(one.what.replace("[", "\\["), one.wanted, measured, _REACHED[one.reached])
    return table


def _remarks(result: Mapping[str, Any]) -> str:
    told = [
        f"{name}: load average {section['load_average_before'][0]:.2f} before it began"
        for name in BY_SECTION
        if (section := result.get(name)) and section["load_average_before"]
    ]
    return "\n" + "; ".join(told) + (". Above 0.5 somebody else was working: do not compare." if told else "")


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number == 0 else "right")
    return table


def _quantiles(spread: Mapping[str, Figure]) -> str:
    return " / ".join(_text(spread[quantile]) for quantile in ("p50", "p95", "p99"))


def _text(figure: Figure) -> str:
    """Three digits or more, and no more than say something."""
    if figure is None:
        return "-"
    size = abs(figure)
    return (
        f"{figure:,.0f}" if size >= 100 or figure == int(figure) else f"{figure:,.{1 if size >= 10 else 2}f}"
    )
