"""A campaign's figures, from what the database has counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.campaigns.domain.campaigns import Stats

COST: Final = "cost"
_TENTH_OF_A_MILL: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Figure:
    """How many there are, and what they add up to."""

    count: int
    total: Decimal = Decimal(0)


_NONE: Final = Figure(0)


def stats(told: Mapping[str, Figure], *, active: int, concurrency: int = 1, under_way: bool = False) -> Stats:
    """`told` by `contact:<status>`, `status:<status of the call>`, `success:<true or false>`, `cost`,
    `duration` and `held`."""
    contacts = _counts(told, "contact:")
    statuses = _counts(told, "status:")
    cost, duration = told.get(COST, _NONE), told.get("duration", _NONE)
    pending = contacts.get("PENDING", 0) + contacts.get("ACTIVE", 0)
    successful = told.get("success:true", _NONE).count
    return Stats(
        contacts=sum(contacts.values()),
        pending=pending,
        skipped=contacts.get("SKIPPED", 0),
        attempts=sum(statuses.values()),
        active=active,
        by_status={status: count for status, count in statuses.items() if status and count},
        successful=successful,
        evaluated=successful + told.get("success:false", _NONE).count,
        average_cost_usd=(cost.total / cost.count).quantize(_TENTH_OF_A_MILL) if cost.count else None,
        total_cost_usd=cost.total if cost.count else None,
        average_duration_seconds=float(duration.total / duration.count) if duration.count else None,
        estimated_seconds_left=_seconds_left(
            told, pending=pending, contacts=sum(contacts.values()), concurrency=concurrency
        )
        if under_way
        else None,
    )


def _seconds_left(
    told: Mapping[str, Figure], *, pending: int, contacts: int, concurrency: int
) -> float | None:
    """Attempts that are still needed, times what one holds a slot for, over the slots. None before the first
    attempt is over."""
    held = told.get("held", _NONE)
    if held.count == 0:
        return None
    settled = contacts - pending
    attempts_each = max(held.count / settled, 1.0) if settled else 1.0
    at_a_time = max(min(concurrency, pending), 1)
    return pending * attempts_each * float(held.total / held.count) / at_a_time


def _counts(told: Mapping[str, Figure], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): figure.count for name, figure in told.items() if name.startswith(prefix)
    }
