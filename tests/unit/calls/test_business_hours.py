"""Opening hours in an organization's own time zone."""

from datetime import UTC, date, datetime, timedelta

import pytest

from libs.errors import InvalidArgument
from services.calls.domain.business_hours import ALWAYS_OPEN, BusinessHours, Opening

MONTREAL = BusinessHours(
    time_zone="America/Toronto",
    weekly=tuple(Opening(day=day, opens=8 * 60, closes=17 * 60) for day in range(1, 6)),
)
HOUR = 3600


def at(text: str) -> datetime:
    """Local time in Montreal."""
    return MONTREAL.in_utc(datetime.fromisoformat(text))


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-20T07:59", False),
        ("2026-11-20T08:00", True),
        ("2026-11-20T16:59", True),
        ("2026-11-20T17:00", False),
        ("2026-11-21T12:00", False),
        ("2026-07-17T08:00", True),
    ],
)
def test_it_is_open_in_its_own_time_zone(local: str, expected: bool) -> None:
    assert expected == MONTREAL.is_open(at(local))


def test_without_hours_it_is_always_open() -> None:
    night = datetime(2026, 11, 21, 3, tzinfo=UTC)

    assert ALWAYS_OPEN.is_open(night)
    assert night + timedelta(seconds=5) == ALWAYS_OPEN.later(night, seconds=5)


@pytest.mark.parametrize(
    ("local", "seconds", "expected"),
    [
        ("2026-11-20T09:00", 2 * HOUR, "2026-11-20T11:00"),
        ("2026-11-20T16:00", 2 * HOUR, "2026-11-23T09:00"),
        ("2026-11-21T12:00", HOUR, "2026-11-23T09:00"),
        ("2026-11-20T08:00", 9 * HOUR, "2026-11-20T17:00"),
        ("2026-11-20T20:00", 0, "2026-11-23T08:00"),
        # Over the end of summer time.
        ("2026-10-30T16:00", 2 * HOUR, "2026-11-02T09:00"),
    ],
)
def test_time_to_react_runs_while_it_is_open(local: str, seconds: int, expected: str) -> None:
    """RU-1: the business-hours flag of a priority rule."""
    assert at(expected) == MONTREAL.later(at(local), seconds=seconds)


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        (date(2026, 11, 20), 0, date(2026, 11, 20)),
        (date(2026, 11, 20), 1, date(2026, 11, 23)),
        (date(2026, 11, 21), 0, date(2026, 11, 23)),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (date(2026, 11, 19), 3, date(2026, 11, 24)),
    ],
)
def test_working_days(day: date, count: int, expected: date) -> None:
    assert expected == MONTREAL.working_day_after(day, count=count)
    assert expected == ALWAYS_OPEN.working_day_after(day, count=count)


@pytest.mark.parametrize(
    "hours",
    [
        BusinessHours(time_zone="America/Nowhere"),
        BusinessHours(time_zone="../../etc/passwd"),
        BusinessHours(time_zone="America"),
        BusinessHours(weekly=(Opening(day=1, opens=600, closes=600),)),
        BusinessHours(weekly=(Opening(day=1, opens=500, closes=700), Opening(day=1, opens=600, closes=800))),
    ],
)
def test_hours_that_make_no_sense_are_refused(hours: BusinessHours) -> None:
    with pytest.raises(InvalidArgument):
        hours.check()
