"""Arithmetic of the benchmark: percentiles, slopes, medians of rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

Figure = float | None


def percentile(values: Sequence[float], quantile: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


def spread_ms(seconds: Sequence[float]) -> dict[str, Figure]:
    """p50, p95, p99 and the largest, in milliseconds; None where nothing was measured."""
    if not seconds:
        return {**dict.fromkeys(QUANTILES), "max": None}
    found: dict[str, Figure] = {
        name: _ms(percentile(seconds, quantile)) for name, quantile in QUANTILES.items()
    }
    return {**found, "max": _ms(max(seconds))}


def slope(points: Sequence[tuple[float, float]]) -> Figure:
    """By how much the second number rises when the first rises by one, by least squares; None for fewer than
    two points."""
    if len({x for x, _ in points}) < 2:
        return None
    return round(statistics.linear_regression(*zip(*points, strict=True)).slope, 3)


def ratio(part: Figure, whole: Figure) -> Figure:
    return round(part / whole, 4) if part is not None and whole else None


def medians(rounds: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The median of every number over the rounds, in the shape of one round; None if a round has none."""
    return {name: _median([one[name] for one in rounds]) for name in rounds[0]}


def _median(values: Sequence[object]) -> object:
    groups = [value for value in values if isinstance(value, Mapping)]
    if groups:
        return medians(groups)
    numbers = [value for value in values if isinstance(value, int | float)]
    return round(statistics.median(numbers), 4) if len(numbers) == len(values) else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
