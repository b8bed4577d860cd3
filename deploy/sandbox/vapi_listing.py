"""Vapi's lists: plain arrays, newest first, cut by creation or update time and by limit, without pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deploy.sandbox.moments import parse

_DEFAULT_LIMIT = 100
_COMPARISONS = ("Gt", "Ge", "Lt", "Le")


def limit_of(query: Mapping[str, str]) -> int:
    return int(query.get("limit", _DEFAULT_LIMIT))


def page_of(objects: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
    kept = [o for o in objects if within(query, created_at=o["createdAt"], updated_at=o["updatedAt"])]
    kept.sort(key=lambda shown: str(shown["createdAt"]), reverse=True)
    return kept[: limit_of(query)]


def within(query: Mapping[str, str], *, created_at: str, updated_at: str) -> bool:
    """Whether the times lie inside the bounds of the query."""
    for field, text in (("createdAt", created_at), ("updatedAt", updated_at)):
        for comparison in _COMPARISONS:
            bound = query.get(field + comparison)
            if bound is not None and not _holds(parse(text), comparison, parse(bound)):
                return False
    return True


def _holds(moment: datetime, comparison: str, bound: datetime) -> bool:
    if comparison == "Gt":
        return moment > bound
    if comparison == "Ge":
        return moment >= bound
    return moment < bound if comparison == "Lt" else moment <= bound
