"""Which route a call takes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.calls.domain.inbound_routes import (
    InboundCall,
    InboundRoute,
    StoredInboundRoute,
    Window,
    choose,
    inbound_call,
    matches,
)

CALL = InboundCall(called_number="+15145550100", phone_number_id="pn-1", caller_number="+14185550123")
# A Monday, 09:30 in Montréal.
MONDAY = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
OFFICE = Window(opens_minute=9 * 60, closes_minute=17 * 60)
NIGHT = Window(opens_minute=22 * 60, closes_minute=6 * 60)


def route(**fields: Any) -> InboundRoute:
    defaults: dict[str, Any] = {"name": "r", "position": 0, "zone": "America/Toronto"}
    return InboundRoute(**{**defaults, "provider_assistant_id": "asst-1", **fields})


def in_toronto(day: int, hour: int, minute: int = 0) -> datetime:
    """Of November 2026; the 23rd is a Monday. Five hours behind UTC."""
    return datetime(2026, 11, day + (hour + 5) // 24, (hour + 5) % 24, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"called_numbers": ["+15145550100"]}, True),
        ({"called_numbers": ["pn-1"]}, True),
        ({"called_numbers": ["pn-2", "+15145550101"]}, False),
        ({"caller_prefixes": ["+1514", "+1418"]}, True),
        ({"caller_prefixes": ["+14185550123"]}, True),
        ({"caller_prefixes": ["+33"]}, False),
        ({"caller_known": True}, False),
        ({"caller_known": False}, True),
        ({"called_numbers": ["pn-1"], "caller_prefixes": ["+33"]}, False),
        ({"window": OFFICE, "days": [1]}, True),
        ({"window": OFFICE, "days": [2, 3]}, False),
    ],
)
def test_every_condition_that_is_set_has_to_hold(conditions: Mapping[str, Any], expected: bool) -> None:
    assert expected is matches(route(**conditions), CALL, now=MONDAY, caller_known=False)


@pytest.mark.parametrize(
    ("window", "days", "now", "expected"),
    [
        (OFFICE, [], in_toronto(23, 8, 59), False),
        (OFFICE, [], in_toronto(23, 9), True),
        (OFFICE, [], in_toronto(23, 16, 59), True),
        (OFFICE, [], in_toronto(23, 17), False),
        (NIGHT, [], in_toronto(23, 22), True),
        (NIGHT, [], in_toronto(24, 5, 59), True),
        (NIGHT, [], in_toronto(24, 6), False),
        # The night that begins on Sunday belongs to Sunday, also on Monday morning.
        (NIGHT, [7], in_toronto(23, 2), True),
        (NIGHT, [1], in_toronto(23, 2), False),
        (NIGHT, [1], in_toronto(23, 23), True),
        (None, [6, 7], in_toronto(21, 23, 59), True),
        (None, [6, 7], in_toronto(23, 0), False),
        (Window(opens_minute=0, closes_minute=24 * 60), [1], in_toronto(23, 23, 59), True),
    ],
)
def test_windows_are_local_and_may_go_over_midnight(
    window: Window | None, days: list[int], now: datetime, expected: bool
) -> None:
    assert expected is matches(route(window=window, days=days), CALL, now=now, caller_known=False)


def test_a_window_follows_the_clock_of_its_zone_through_the_year() -> None:
    """Nine o'clock in Montréal is 13:00 UTC in summer and 14:00 in winter."""
    opened = [
        next(
            hour
            for hour in range(24)
            if matches(route(window=OFFICE), CALL, now=at.replace(hour=hour), caller_known=False)
        )
        for at in (datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    ]

    assert [13, 14] == opened


def test_a_zone_that_is_gone_is_never_open() -> None:
    assert not matches(route(window=OFFICE, zone="Mars/Olympus"), CALL, now=MONDAY, caller_known=False)


def test_the_first_route_that_matches_decides() -> None:
    routes = [
        StoredInboundRoute(id=UUID(int=n), route=one, updated_at=MONDAY)
        for n, one in enumerate((route(caller_prefixes=["+33"]), route(), route()))
    ]

    chosen = choose(routes, CALL, now=MONDAY, caller_known=False)

    assert chosen is routes[1]
    assert None is choose(routes[:1], CALL, now=MONDAY, caller_known=False)


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ({}, {"assistantId": "asst-1"}),
        (
            {"transfer_to": "+15145550199"},
            {"destination": {"type": "number", "number": "+15145550199"}},
        ),
        ({"transfer_to": "sip:a@b"}, {"destination": {"type": "sip", "sipUri": "sip:a@b"}}),
        ({"error_message": "We are closed."}, {"error": "We are closed."}),
    ],
)
def test_results_are_told_in_the_providers_words(result: dict[str, str], answer: Mapping[str, Any]) -> None:
    chosen = route(**({"provider_assistant_id": ""} | result)) if result else route()

    assert answer == chosen.answer


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"call": None, "phoneNumber": [], "customer": "x"},
        {"call": {"phoneNumberId": 7}, "phoneNumber": {"number": None}, "customer": {"number": {}}},
    ],
)
def test_a_caller_who_hides_is_no_trouble(content: Mapping[str, Any]) -> None:
    call = inbound_call(content)

    assert InboundCall(called_number="", phone_number_id="", caller_number="") == call
    assert matches(route(), call, now=MONDAY, caller_known=False)
    assert not matches(route(caller_prefixes=["+1"]), call, now=MONDAY, caller_known=False)
