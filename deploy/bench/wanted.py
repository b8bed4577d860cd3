"""The figures that should be reached, held against those that were measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deploy.bench.figures import Figure

# Least squares over minutes: allocators breathe by some tenths.
FLAT_MIB_PER_MINUTE = 0.5
# Over six files of 10,000 rows; one file's rows are about as much.
FLAT_MIB_OF_IMPORTS = 8.0
Section = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`find` looks into a section of the result. `at_least`: more is better; otherwise less is. `without` is
    what it means that there is no figure."""

    what: str
    find: Callable[[Section], Figure]
    limit: float
    at_least: bool = False
    unit: str = ""
    without: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`reached` is None where nothing was measured."""

    what: str
    wanted: str
    measured: Figure
    unit: str
    reached: bool | None


def compared(wanted: Wanted, section: Section) -> Compared:
    measured = wanted.find(section)
    reached = wanted.without
    if measured is not None:
        reached = measured >= wanted.limit if wanted.at_least else measured <= wanted.limit
    sign = ">=" if wanted.at_least else "<="
    return Compared(
        what=wanted.what,
        wanted=f"{sign} {wanted.limit:,g}{wanted.unit}",
        measured=measured,
        unit=wanted.unit,
        reached=reached,
    )


def _at(*names: str) -> Callable[[Section], Figure]:
    def find(section: Section) -> Figure:
        found: Any = section
        for name in names:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, int | float) else None

    return find


def _not_acked(load: str) -> Callable[[Section], Figure]:
    """Refused, unanswered or unsent; over all rounds."""
    names = ("refused_503", "refused_429", "refused_otherwise", "unanswered", "unsent")

    def find(section: Section) -> Figure:
        return float(sum(one[load][name] for one in section["rounds"] for name in names))

    return find


def _total(name: str) -> Callable[[Section], Figure]:
    """Over all loads of all rounds."""

    def find(section: Section) -> Figure:
        loads = [load for one in section["rounds"] for load in one.values() if isinstance(load, Mapping)]
        return float(sum(load[name] for load in loads))

    return find


def _overload_otherwise(section: Section) -> Figure:
    loads = [one["gateway_overload"] for one in section["rounds"]]
    return float(sum(load["refused_otherwise"] + load["unanswered"] for load in loads))


def _steepest(section: Section) -> Figure:
    slopes = [one["mib_per_minute"] for one in section["memory"].values()]
    return max((slope for slope in slopes if slope is not None), default=None)


def _most_at_once(section: Section) -> Figure:
    return float(max(section[part]["most_at_once"] for part in ("one", "crowd")))


def _dialed_twice(section: Section) -> Figure:
    return float(sum(section[part]["repeats"] for part in ("one", "crowd")))


INTAKE = (
    Wanted(
        what="gateway maximum, of `pgbench -c 32`",
        find=_at("ratios", "gateway_maximum_to_pgbench"),
        limit=0.35,
        at_least=True,
    ),
    Wanted(
        what="Envoy maximum, of `pgbench -c 32`",
        find=_at("ratios", "envoy_maximum_to_pgbench"),
        limit=0.25,
        at_least=True,
    ),
    Wanted(
        what="gateway maximum, times the plain handler",
        find=_at("ratios", "gateway_maximum_to_plain"),
        limit=3,
        at_least=True,
    ),
    *(
        wanted
        for load, door in (("gateway_fixed_rate", "gateway"), ("envoy_fixed_rate", "Envoy"))
        for wanted in (
            Wanted(
                what=f"1,000/s through {door}: ack p95",
                find=_at("medians", load, "ack_ms", "p95"),
                limit=50,
                unit=" ms",
            ),
            Wanted(
                what=f"1,000/s through {door}: fold lag p95",
                find=_at("medians", load, "fold_lag_ms", "p95"),
                limit=500,
                unit=" ms",
            ),
            Wanted(what=f"1,000/s through {door}: not acknowledged", find=_not_acked(load), limit=0),
        )
    ),
    Wanted(
        what="tool call during 1,000/s: answer p99",
        find=_at("medians", "tool_calls", "tools", "answer_ms", "p99"),
        limit=250,
        unit=" ms",
    ),
    Wanted(
        what="tool calls without a quote",
        find=lambda section: sum(one["tool_calls"]["tools"]["without_quote"] for one in section["rounds"]),
        limit=0,
    ),
    Wanted(
        what="10 x maximum offered: goodput of the maximum",
        find=_at("medians", "gateway_overload", "goodput_of_maximum"),
        limit=0.8,
        at_least=True,
    ),
    Wanted(what="10 x maximum: neither 200, 503 nor 429", find=_overload_otherwise, limit=0),
    Wanted(
        what="10 x maximum: normal again after",
        find=_at("medians", "gateway_overload", "normal_after_seconds"),
        limit=30,
        unit=" s",
        # Some round never came to an end.
        without=False,
    ),
    Wanted(what="acknowledged and lost, all loads", find=_total("lost"), limit=0),
)
SOAK = (
    Wanted(
        what="long run: steepest memory, any service",
        find=_steepest,
        limit=FLAT_MIB_PER_MINUTE,
        unit=" MiB/min",
    ),
    Wanted(what="long run: acknowledged and lost", find=_at("load", "lost"), limit=0),
)


def _grown(load: str, *names: str) -> Callable[[Section], Figure]:
    """Of the largest step."""

    def find(section: Section) -> Figure:
        return _at(load, *names)(section["steps"][-1])

    return find


GROWTH = (
    Wanted(
        what="most events stored, 1,000/s: ack p95",
        find=_grown("gateway_fixed_rate", "ack_ms", "p95"),
        limit=50,
        unit=" ms",
    ),
    Wanted(
        what="most events stored, 1,000/s: fold lag p95",
        find=_grown("gateway_fixed_rate", "fold_lag_ms", "p95"),
        limit=500,
        unit=" ms",
    ),
)
DIALS = (
    Wanted(
        what="call's end acked to the next dial: p50",
        find=_at("one", "refill_ms", "p50"),
        limit=100,
        unit=" ms",
    ),
    Wanted(
        what="call's end acked to the next dial: p99",
        find=_at("one", "refill_ms", "p99"),
        limit=500,
        unit=" ms",
    ),
    Wanted(what="slots taken while anybody waits", find=_at("one", "utilization"), limit=0.97, at_least=True),
    Wanted(what="most calls of a campaign at once", find=_most_at_once, limit=50),
    Wanted(what="attempts dialed twice", find=_dialed_twice, limit=0),
    Wanted(
        what="campaigns at once: slowest share of the mean",
        find=_at("crowd", "slowest_share"),
        limit=0.8,
        at_least=True,
    ),
    Wanted(what="import of 10,000 contacts", find=_at("imports", "seconds_max"), limit=3, unit=" s"),
    Wanted(
        what="memory grown by importing again and again",
        find=_at("imports", "mib_grown"),
        limit=FLAT_MIB_OF_IMPORTS,
        unit=" MiB",
    ),
    Wanted(what="figures of 10,000 contacts: p95", find=_at("stats_ms", "p95"), limit=20, unit=" ms"),
)
BY_SECTION = {"intake": INTAKE, "growth": GROWTH, "soak": SOAK, "dials": DIALS}
