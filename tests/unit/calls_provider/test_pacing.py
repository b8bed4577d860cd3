"""How fast calls are placed from an account, and what trouble teaches about it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.domain.pacing import (
    RATE_LEAST,
    WAIT_SECONDS_MAX,
    Pace,
    is_carrier_error,
    is_carrier_trouble,
    slowed,
    take_turn,
)

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_without_a_limit_calls_go_as_they_come() -> None:
    assert Pace().is_free(NOW)
    assert 0.0 == take_turn(Pace(), now=NOW).wait_seconds


def test_turns_of_one_moment_are_spread_and_those_too_far_away_are_not_taken() -> None:
    pace = Pace(rate_max=2.0)
    waits = []
    for _ in range(9):
        turn = take_turn(pace, now=NOW)
        waits.append(turn.wait_seconds)
        pace = turn.pace

    assert [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 3.5] == waits
    # A turn that was let go by is there again.
    assert 0.0 == take_turn(pace, now=after(60)).wait_seconds


@given(rate=st.floats(0.1, 50), gaps=st.lists(st.floats(0, 2, allow_nan=False), min_size=1, max_size=60))
def test_no_more_calls_go_out_than_the_rate_allows(rate: float, gaps: list[float]) -> None:
    pace, at, sent = Pace(rate_max=rate), NOW, []
    for gap in gaps:
        at += timedelta(seconds=gap)
        turn = take_turn(pace, now=at)
        pace = turn.pace
        assert turn.is_taken == (turn.wait_seconds <= WAIT_SECONDS_MAX)
        if turn.is_taken:
            sent.append(at + timedelta(seconds=turn.wait_seconds))

    spacing = timedelta(seconds=1 / rate) - timedelta(microseconds=2)
    assert all(late - early >= spacing for early, late in pairwise(sent))


def test_trouble_halves_the_rate_at_once_and_it_grows_back_slowly() -> None:
    """V1: backs off on a refusal for rate, and recovers."""
    pace = slowed(Pace(), observed_rate=10.0, now=NOW)

    assert 5.0 == pace.rate(NOW)
    assert after(1) == pace.blocked_until
    grown = [pace.rate(after(seconds)) or 0.0 for seconds in (10, 60, 120)]
    assert [pytest.approx(5.5), pytest.approx(8.86, abs=0.01), pytest.approx(15.69, abs=0.01)] == grown
    # Twice what was too much: forgotten.
    assert pace.rate(after(150)) is None
    assert pace.is_free(after(150))


def test_refusals_of_one_moment_are_one_lesson_and_a_later_one_is_another() -> None:
    first = slowed(Pace(rate_max=8.0), observed_rate=50.0, now=NOW)
    same = slowed(first, observed_rate=50.0, now=after(1.5), retry_after_seconds=20)
    later = slowed(same, observed_rate=50.0, now=after(30))

    assert (4.0, 4.0) == (first.slowed_rate, same.slowed_rate)
    assert after(21.5) == same.blocked_until
    assert pytest.approx(4.0 * 1.1**3 / 2) == later.slowed_rate
    assert take_turn(same, now=after(2)).wait_seconds == 19.5
    # What people set holds, however much was learned since.
    assert 8.0 == first.rate(after(100))


def test_there_is_a_slowest_rate() -> None:
    pace = Pace()
    for step in range(20):
        pace = slowed(pace, observed_rate=1.0, now=after(3 * step))

    assert RATE_LEAST == pace.slowed_rate


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("call.in-progress.error-providerfault-outbound-sip-503-service-unavailable", True),
        ("call.in-progress.error-sip-outbound-call-failed-to-connect", True),
        ("twilio-failed-to-connect-call", True),
        ("call.in-progress.error-providerfault-outbound-sip-480-temporarily-unavailable", False),
        ("call.in-progress.error-providerfault-outbound-sip-403-forbidden", False),
        ("customer-did-not-answer", False),
        ("", False),
    ],
)
def test_what_a_carrier_says_when_calls_come_too_fast(reason: str, expected: bool) -> None:
    assert expected is is_carrier_error(reason)


@pytest.mark.parametrize(
    ("errors", "placed", "expected"),
    [(0, 0, False), (2, 2, False), (3, 3, True), (3, 15, True), (3, 16, False), (20, 100, True)],
)
def test_a_few_carrier_errors_are_an_accident(errors: int, placed: int, expected: bool) -> None:
    assert expected is is_carrier_trouble(errors=errors, placed=placed)
