"""When somebody may be called: every zone there is, every change of the clocks of several years."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs import time_zones
from libs.errors import InvalidArgument
from services.campaigns.domain.calling_hours import CallingHours, Window, may_call, next_opening

MINUTE = timedelta(minutes=1)
EVERY_DAY = range(1, 8)


def daily(opens: int, closes: int, days: range = EVERY_DAY) -> CallingHours:
    return CallingHours(tuple(Window(day=day, opens=opens, closes=closes) for day in days))


DAYTIME = daily(8 * 60, 21 * 60)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str, zone: str) -> datetime:
    """What that zone's clock shows, as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=time_zones.zone(zone)).astimezone(UTC)


def clock_changes() -> Iterator[tuple[str, datetime]]:
    """One zone for each change of the clocks there is from 2024 to 2030. No zone changes them twice within
    some days."""
    days = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(0, 7 * 365, 4)]
    seen = set()
    for name in sorted(time_zones.names()):
        zone = time_zones.zone(name)
        offsets = [(day, day.astimezone(zone).utcoffset()) for day in days]
        for (before, old), (_, new) in pairwise(offsets):
            if old != new:
                minute = bisect_left(
                    range(4 * 24 * 60),
                    True,
                    key=lambda minute: (before + minute * MINUTE).astimezone(zone).utcoffset() == new,
                )
                change = before + minute * MINUTE
                if (change, old, new) not in seen:
                    seen.add((change, old, new))
                    yield name, change


def first_open_minute(at: datetime, zone: str, hours: CallingHours) -> datetime:
    while not hours.is_open(at, zone):
        at += MINUTE
    return at


def test_around_every_change_of_the_clocks_the_next_opening_is_the_first_open_minute() -> None:
    """CA-5: the calling window follows the recipient's clock through every change of it."""
    checked = 0
    for zone, change in clock_changes():
        at = change - timedelta(hours=2)
        shown = change.astimezone(time_zones.zone(zone))
        minute = shown.hour * 60 + shown.minute
        for opens in {(minute - 30) % 1440, minute, (minute + 15) % 1440}:
            hours = daily(opens, min(opens + 45, 1440))
            expected = first_open_minute(at, zone, hours)

            assert expected == next_opening(at, zones=(zone,), hours=(hours,)), (zone, change, opens)
            checked += 1

    assert checked > 300


def test_in_every_zone_the_day_begins_at_eight_by_its_own_clock() -> None:
    """CA-5: table over every zone of the IANA's database, in summer and winter of several years."""
    for name in sorted(time_zones.names()):
        zone = time_zones.zone(name)
        for year in range(2024, 2031, 2):
            for month in (1, 7):
                # Four in the morning there, whatever time it is elsewhere.
                at = datetime(year, month, 15, 4, tzinfo=zone).astimezone(UTC)
                opening = next_opening(at, zones=(name,), hours=(DAYTIME,))

                assert opening is not None
                local = opening.astimezone(zone)
                assert (8, 0, 15) == (local.hour, local.minute, local.day), name
                assert not may_call(opening - timedelta(seconds=1), zones=(name,), hours=(DAYTIME,))


_ZONES = sorted(time_zones.names())
_START = datetime(2024, 1, 1, tzinfo=UTC)


@settings(max_examples=150, deadline=None)
@given(
    at=st.integers(0, 8 * 365 * 24 * 3600).map(lambda second: _START + timedelta(seconds=second)),
    zones=st.lists(st.sampled_from(_ZONES), min_size=1, max_size=3, unique=True),
    windows=st.lists(
        st.tuples(st.integers(1, 7), st.integers(0, 1439), st.integers(1, 900)), min_size=1, max_size=6
    ),
)
def test_the_next_opening_is_open_and_nothing_before_it_is(
    at: datetime, zones: list[str], windows: list[tuple[int, int, int]]
) -> None:
    hours = CallingHours(
        tuple(Window(day=day, opens=opens, closes=min(opens + width, 1440)) for day, opens, width in windows)
    )
    opening = next_opening(at, zones=tuple(zones), hours=(hours,))

    until = opening or at + timedelta(days=8)
    step = timedelta(minutes=13)
    before = (at + step * number for number in range(int((until - at) / step)))
    assert not any(may_call(one, zones=zones, hours=(hours,)) for one in before)
    if opening is not None:
        assert opening >= at
        assert may_call(opening, zones=zones, hours=(hours,))
        assert opening == at or not may_call(opening - timedelta(seconds=1), zones=zones, hours=(hours,))


@pytest.mark.parametrize(
    ("at", "zone", "hours", "expected"),
    [
        # 2:30 does not exist on this day; 3:00 follows on 1:59.
        (
            utc("2026-03-08T05:00"),
            "America/Toronto",
            daily(150, 300),
            wall("2026-03-08T03:00", "America/Toronto"),
        ),
        # The hour from one to two comes twice: open, closed for a quarter, open again.
        (utc("2026-11-01T05:45"), "America/Toronto", daily(60, 105), utc("2026-11-01T06:00")),
        (utc("2026-11-01T06:44"), "America/Toronto", daily(60, 105), utc("2026-11-01T06:44")),
        # Half an hour off, and a change of half an hour.
        (utc("2026-06-01T00:00"), "Asia/Kolkata", DAYTIME, utc("2026-06-01T02:30")),
        (utc("2026-04-04T15:10"), "Australia/Lord_Howe", daily(120, 180), utc("2026-04-04T15:30")),
        # Samoa's side of the date line.
        (
            utc("2026-01-04T17:00"),
            "Pacific/Apia",
            daily(480, 540, range(1, 2)),
            utc("2026-01-04T19:00"),
        ),
    ],
)
def test_the_clock_of_whoever_is_called_counts(
    at: datetime, zone: str, hours: CallingHours, expected: datetime
) -> None:
    assert expected == next_opening(at, zones=(zone,), hours=(hours,))


def test_every_zone_that_is_possible_has_to_allow_it() -> None:
    """CA-5: a number that may ring in Newfoundland or in Hawaii waits for both."""
    zones = ("America/St_Johns", "Pacific/Honolulu")
    at = wall("2026-02-02T08:30", "America/St_Johns")
    opening = next_opening(at, zones=zones, hours=(DAYTIME,))

    assert wall("2026-02-02T08:00", "Pacific/Honolulu") == opening
    assert not may_call(wall("2026-02-02T21:00", "America/St_Johns"), zones=zones, hours=(DAYTIME,))


def test_all_hours_have_to_allow_it() -> None:
    organization, campaign = daily(480, 1260), daily(600, 660, range(6, 8))
    at = wall("2026-02-02T12:00", "Europe/Paris")

    opening = next_opening(at, zones=("Europe/Paris",), hours=(organization, campaign))

    assert wall("2026-02-07T10:00", "Europe/Paris") == opening


def test_hours_that_zones_never_share_never_open_unless_a_change_of_clocks_makes_them() -> None:
    morning = daily(9 * 60, 9 * 60 + 30)
    at = utc("2026-01-10T00:00")

    assert next_opening(at, zones=("Europe/Paris", "America/Toronto"), hours=(morning,)) is None
    # An hour apart in winter, together in summer.
    together = next_opening(at, zones=("America/Phoenix", "America/Los_Angeles"), hours=(morning,))
    assert wall("2026-03-08T09:00", "America/Phoenix") == together


def test_without_a_window_it_is_never_open() -> None:
    assert next_opening(utc("2026-01-01T00:00"), zones=("UTC",), hours=(CallingHours(()),)) is None


@pytest.mark.parametrize(
    "weekly",
    [
        (Window(day=1, opens=600, closes=600),),
        (Window(day=1, opens=600, closes=540),),
        (Window(day=1, opens=540, closes=700), Window(day=1, opens=660, closes=720)),
    ],
)
def test_hours_that_make_no_sense_are_refused(weekly: tuple[Window, ...]) -> None:
    with pytest.raises(InvalidArgument):
        CallingHours(weekly).check()
