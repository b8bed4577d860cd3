"""When people may be called, by their own clocks.

What counts is the wall clock of whoever is called: an hour that a change of the clocks skips is nobody's, one
that it repeats counts twice. Somebody whose zone is not certain may be called only while it is allowed in
every zone that is possible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final

from libs import time_zones
from libs.errors import FieldViolation, InvalidArgument

MINUTES_OF_DAY: Final = 24 * 60
# Weekly hours that ever open do so within a week, unless a change of the clocks is what lets zones agree.
_DAYS_AHEAD: Final = 8
_YEAR_DAYS: Final = 366
# No two changes of one zone's clocks are closer than this.
_STEP: Final = timedelta(hours=12)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Window:
    """`day`: 1 is Monday; minutes from local midnight, `closes` itself is outside."""

    day: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class CallingHours:
    """Weekly; never open without a window."""

    weekly: tuple[Window, ...]

    def check(self) -> None:
        """Raises InvalidArgument."""
        found = []
        if any(one.closes <= one.opens for one in self.weekly):
            found.append(FieldViolation("callingHours", "must open before they close, on the same day"))
        in_order = sorted(self.weekly)
        if any(one.day == after.day and after.opens < one.closes for one, after in pairwise(in_order)):
            found.append(FieldViolation("callingHours", "must not overlap"))
        if found:
            raise InvalidArgument(violations=found)

    def is_open(self, at: datetime, zone_name: str) -> bool:
        local = at.astimezone(time_zones.zone(zone_name))
        day, minute = local.isoweekday(), local.hour * 60 + local.minute
        return any(one.day == day and one.opens <= minute < one.closes for one in self.weekly)


def may_call(at: datetime, *, zones: Sequence[str], hours: Sequence[CallingHours]) -> bool:
    """Whether all of the hours allow it in every zone."""
    return all(one.is_open(at, zone) for zone in zones for one in hours)


@lru_cache(maxsize=2048)
def next_opening(at: datetime, *, zones: tuple[str, ...], hours: tuple[CallingHours, ...]) -> datetime | None:
    """The first moment from `at` on when it is allowed; None if there is none within a year."""
    if may_call(at, zones=zones, hours=hours):
        return at
    found = _opening_within_days(at, zones=zones, hours=hours)
    if found is not None:
        return found
    for change in sorted({one for zone in zones for one in _changes(zone, at.date(), days=_YEAR_DAYS)}):
        if change > at:
            found = _opening_within_days(change, zones=zones, hours=hours)
            if found is not None:
                return found
    return None


def _opening_within_days(
    at: datetime, *, zones: tuple[str, ...], hours: tuple[CallingHours, ...]
) -> datetime | None:
    # Where all are open for the first time, one of them opens; or it is the start.
    moments = {at, *(one for zone in zones for each in hours for one in _openings(each, zone, at.date()))}
    return next(
        (one for one in sorted(moments) if one >= at and may_call(one, zones=zones, hours=hours)), None
    )


@lru_cache(maxsize=4096)
def _openings(hours: CallingHours, zone_name: str, day: date) -> tuple[datetime, ...]:
    """Every moment of the next days when these hours may open in the zone: by the clock, or because the clock
    is changed."""
    zone = time_zones.zone(zone_name)
    found = set(_changes(zone_name, day, days=_DAYS_AHEAD + 1))
    for offset in range(-1, _DAYS_AHEAD + 2):
        local_day = day + timedelta(days=offset)
        for one in hours.weekly:
            if one.day == local_day.isoweekday():
                wall = datetime.combine(local_day, time(one.opens // 60, one.opens % 60), tzinfo=zone)
                # The second is the same unless the hour comes twice.
                found |= {wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)}
    return tuple(sorted(found))


@lru_cache(maxsize=4096)
def _changes(zone_name: str, day: date, *, days: int) -> tuple[datetime, ...]:
    """When the zone's clocks are changed, from the start of a UTC day on."""
    zone = time_zones.zone(zone_name)
    start = datetime.combine(day, time(), tzinfo=UTC)
    steps = [start + step * _STEP for step in range(days * 2 + 1)]
    return tuple(
        _change_between(before, after, zone_name)
        for before, after in pairwise(steps)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset()
    )


def _change_between(before: datetime, after: datetime, zone_name: str) -> datetime:
    zone = time_zones.zone(zone_name)
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // _SECOND // 2 * _SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
