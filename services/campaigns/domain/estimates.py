"""How long calling a list would take and what it would cost, from what calls were like lately.

The finish is reckoned as a flow, not call by call: in each quarter of an hour so many calls as the cap
allows, to those whose hours allow it then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from services.campaigns.domain import calling_hours
from services.campaigns.domain.calling_hours import CallingHours

_STEP: Final = timedelta(minutes=15)
_DAYS_MAX: Final = 60
_USD: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What calls were like lately; None where nothing is known."""

    # From the decision to dial until the slot was free again.
    seconds_per_call: float | None = None
    # 1 or more.
    calls_per_contact: float | None = None
    cost_low_usd: Decimal | None = None
    cost_high_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Contacts who may be called from the same moment on, in the same zones; without zones at any hour."""

    contacts: int
    ready_at: datetime
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CostRange:
    low_usd: Decimal
    high_usd: Decimal


def cost_range(contacts: int, history: History) -> CostRange | None:
    """None if no cost is known, or nobody is to be called."""
    if history.cost_low_usd is None or history.cost_high_usd is None or contacts == 0:
        return None
    calls = contacts * Decimal(str(max(history.calls_per_contact or 1.0, 1.0)))
    return CostRange(
        (contacts * history.cost_low_usd).quantize(_USD), (calls * history.cost_high_usd).quantize(_USD)
    )


def finishes_at(
    groups: Sequence[Group],
    *,
    hours: tuple[CallingHours, ...],
    cap: int,
    history: History,
    now: datetime,
) -> datetime | None:
    """None if nothing is known about calls, nobody is to be called, or it takes too long to say."""
    if not history.seconds_per_call or not groups:
        return None
    calls_per_contact = max(history.calls_per_contact or 1.0, 1.0)
    # Those first who have been ready longest.
    left = [
        _Left(group, group.contacts * calls_per_contact)
        for group in sorted(groups, key=lambda group: group.ready_at)
    ]
    per_step = cap * _STEP.total_seconds() / history.seconds_per_call
    at, end = max(left[0].group.ready_at, now), now + timedelta(days=_DAYS_MAX)
    while at < end:
        made = _dial(left, at, per_step=per_step, hours=hours)
        left = [one for one in left if one.calls > 0]
        if not left:
            # The last call begins somewhere within the step and lasts as long as a call does.
            return at + _STEP * (made / per_step) + timedelta(seconds=history.seconds_per_call)
        at += _STEP
    return None


@dataclass(slots=True)
class _Left:
    """Calls still to be made."""

    group: Group
    calls: float


def _dial(left: Sequence[_Left], at: datetime, *, per_step: float, hours: tuple[CallingHours, ...]) -> float:
    """Takes one step's calls off what is left; answers how many they were."""
    room = per_step
    is_open: dict[tuple[str, ...], bool] = {}
    for one in left:
        zones = one.group.zones
        if zones not in is_open:
            is_open[zones] = calling_hours.may_call(at, zones=zones, hours=hours)
        if one.group.ready_at < at + _STEP and is_open[zones]:
            made = min(one.calls, room)
            one.calls -= made
            room -= made
    return per_step - room
