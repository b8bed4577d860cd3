"""When a list would be called and what that would cost."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from services.campaigns.domain.calling_hours import CallingHours, Window
from services.campaigns.domain.estimates import CostRange, Group, History, cost_range, finishes_at

# A Monday.
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KNOWN = History(
    seconds_per_call=60.0,
    calls_per_contact=1.5,
    cost_low_usd=Decimal("0.1000"),
    cost_high_usd=Decimal("0.2500"),
)


def test_the_cost_is_a_range_and_absent_where_nothing_is_known() -> None:
    """CA-5: unknown is not nothing."""
    assert CostRange(Decimal("10.0000"), Decimal("37.5000")) == cost_range(100, KNOWN)
    assert cost_range(0, KNOWN) is None
    assert cost_range(100, History(seconds_per_call=60.0)) is None


def test_without_hours_the_cap_alone_decides_how_long_it_takes() -> None:
    group = Group(contacts=100, ready_at=NOW)
    finish = finishes_at([group], hours=(), cap=10, history=KNOWN, now=NOW)

    # 150 calls, ten a minute; the last one lasts a minute.
    assert NOW + 16 * MINUTE == finish
    assert finishes_at([group], hours=(), cap=10, history=History(), now=NOW) is None
    assert finishes_at([], hours=(), cap=10, history=KNOWN, now=NOW) is None


def test_calling_stops_when_hours_close_and_goes_on_the_next_day() -> None:
    """CA-5: the estimate of the finish knows the recipients' hours."""
    hours = CallingHours(tuple(Window(day=day, opens=9 * 60, closes=11 * 60) for day in range(1, 6)))
    once = History(seconds_per_call=60.0)
    # In Toronto it is 10:00: one hour today, two tomorrow. 180 calls, one at a time.
    group = Group(contacts=180, ready_at=NOW, zones=("America/Toronto",))
    finish = finishes_at([group], hours=(hours,), cap=1, history=once, now=NOW)

    assert NOW + timedelta(days=1) + 61 * MINUTE == finish


def test_groups_share_the_cap_and_wait_for_their_time() -> None:
    once = History(seconds_per_call=60.0)
    early = Group(contacts=30, ready_at=NOW)
    late = Group(contacts=10, ready_at=NOW + timedelta(hours=5))

    finish = finishes_at([late, early], hours=(), cap=1, history=once, now=NOW)

    assert NOW + timedelta(hours=5) + 11 * MINUTE == finish


def test_what_takes_months_is_not_foretold() -> None:
    group = Group(contacts=100_000, ready_at=NOW)

    assert finishes_at([group], hours=(), cap=1, history=History(seconds_per_call=600.0), now=NOW) is None


def test_nobody_who_can_never_be_called_holds_up_the_answer() -> None:
    never = CallingHours((Window(day=1, opens=0, closes=1),))
    group = Group(contacts=1, ready_at=NOW, zones=("Europe/Paris", "America/Toronto"))

    assert finishes_at([group], hours=(never,), cap=1, history=KNOWN, now=NOW) is None
