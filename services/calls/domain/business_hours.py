"""When an organization is open, in its own time zone. Without hours it is always open, and works Monday to
Friday."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from libs.errors import FieldViolation, InvalidArgument

_MINUTES_OF_DAY: Final = 24 * 60
_WEEKDAYS: Final = frozenset(range(1, 6))
# An organization that is open one minute a week is as good as closed.
_DAYS_AHEAD_MAX: Final = 3660


class Language(StrEnum):
    FR = "fr"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Opening:
    """`day`: 1 is Monday; minutes from local midnight."""

    day: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessHours:
    time_zone: str = "UTC"
    language: Language = Language.EN
    weekly: tuple[Opening, ...] = ()

    def check(self) -> None:
        """Raises InvalidArgument."""
        found = []
        if self.time_zone not in _time_zones():
            found.append(FieldViolation("timeZone", "is not a time zone of the IANA"))
        if any(one.closes <= one.opens for one in self.weekly):
            found.append(FieldViolation("weekly", "must open before it closes, on the same day"))
        in_order = sorted(self.weekly)
        if any(one.day == after.day and after.opens < one.closes for one, after in pairwise(in_order)):
            found.append(FieldViolation("weekly", "must not overlap"))
        if found:
            raise InvalidArgument(violations=found)

    @property
    def label(self) -> str:
        return self.time_zone

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.time_zone))

    def in_utc(self, local: datetime) -> datetime:
        """Of a time without an offset."""
        return local.replace(tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)

    def is_open(self, at: datetime) -> bool:
        if not self.weekly:
            return True
        local = self.local(at)
        minute = local.hour * 60 + local.minute
        return any(one.day == local.isoweekday() and one.opens <= minute < one.closes for one in self.weekly)

    def working_day_after(self, day: date, *, count: int) -> date:
        """`count` working days later; the next one from `day` on if 0."""
        days = {one.day for one in self.weekly} or _WEEKDAYS
        while count > 0 or day.isoweekday() not in days:
            day += timedelta(days=1)
            count -= day.isoweekday() in days
        return day

    def later(self, at: datetime, *, seconds: int) -> datetime:
        """When so much time will have passed, counting open hours only."""
        if not self.weekly:
            return at + timedelta(seconds=seconds)
        left = timedelta(seconds=seconds)
        for opens, closes in self._open_from(at):
            begins = max(opens, at)
            if begins + left <= closes:
                return begins + left
            left -= closes - begins
        return at + timedelta(seconds=seconds)

    def _open_from(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open hours that are not over at `at`, in order, in UTC."""
        first = self.local(at).date()
        for offset in range(_DAYS_AHEAD_MAX):
            day = first + timedelta(days=offset)
            for one in sorted(self.weekly):
                if one.day == day.isoweekday():
                    opens, closes = self._moment(day, one.opens), self._moment(day, one.closes)
                    if closes > at:
                        yield opens, closes

    def _moment(self, day: date, minute: int) -> datetime:
        midnight = datetime.combine(day + timedelta(days=minute // _MINUTES_OF_DAY), time())
        return self.in_utc(midnight + timedelta(minutes=minute % _MINUTES_OF_DAY))


ALWAYS_OPEN: Final = BusinessHours()


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
