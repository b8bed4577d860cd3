"""The form of API keys, and when one lets a request in."""

import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, Limit, Usage

NOW = datetime(2026, 11, 21, 12, 34, tzinfo=UTC)


def make_key(**fields: object) -> ApiKey:
    values: dict[str, object] = {
        "id": uuid4(),
        "org_id": uuid4(),
        "name": "test",
        "prefix": "vx_1234567",
        "scopes": frozenset({"calls:read"}),
        "enabled": True,
        "expires_at": None,
        "hourly_rate": 0,
        "quota": 0,
        "usage_count": 0,
        "last_used_at": None,
        "created_at": NOW,
    }
    return ApiKey(**{**values, **fields})  # type: ignore[arg-type]  # the names are checked by the dataclass


def test_a_generated_key_is_well_formed_and_another_one_every_time() -> None:
    keys = {api_keys.generate(random.choice) for _ in range(200)}

    assert 200 == len(keys)
    assert all(api_keys.is_well_formed(key) and key.startswith("vx_") and len(key) == 41 for key in keys)


def test_the_checksum_is_the_crc_of_what_stands_before_it() -> None:
    """A fixed vector: clients may check keys before they send them."""
    key = api_keys.generate(lambda _: "a")

    assert "vx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" == key[:-6]
    assert "3XYBMk" == key[-6:]


@given(position=st.integers(0, 40), replacement=st.characters())
def test_a_changed_character_is_noticed(position: int, replacement: str) -> None:
    key = api_keys.generate(lambda _: "k")
    changed = key[:position] + replacement + key[position + 1 :]

    assert (changed == key) == api_keys.is_well_formed(changed)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_without_raising(text: str) -> None:
    assert not api_keys.is_well_formed(text)


@pytest.mark.parametrize(
    ("fields", "live"),
    [
        ({}, True),
        ({"enabled": False}, False),
        ({"expires_at": NOW + timedelta(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"expires_at": NOW - timedelta(days=1)}, False),
    ],
)
def test_a_key_is_live_while_enabled_and_not_expired(fields: dict[str, object], live: bool) -> None:
    assert live == api_keys.is_live(make_key(**fields), now=NOW)


@pytest.mark.parametrize(
    ("fields", "usage", "limit"),
    [
        ({}, Usage(10**9, api_keys.hour_of(NOW), 10**6), None),
        ({"quota": 5}, Usage(4, api_keys.hour_of(NOW), 4), None),
        ({"quota": 5}, Usage(5, api_keys.hour_of(NOW), 0), Limit.QUOTA),
        ({"hourly_rate": 3}, Usage(9, api_keys.hour_of(NOW), 2), None),
        ({"hourly_rate": 3}, Usage(9, api_keys.hour_of(NOW), 3), Limit.HOURLY_RATE),
        ({"hourly_rate": 3}, Usage(9, api_keys.hour_of(NOW - timedelta(hours=1)), 3), None),
        ({"hourly_rate": 3, "quota": 9}, Usage(9, api_keys.hour_of(NOW), 3), Limit.QUOTA),
    ],
)
def test_limits_are_reached_at_their_number(
    fields: dict[str, object], usage: Usage, limit: Limit | None
) -> None:
    assert limit == api_keys.limit_reached(make_key(**fields), usage, now=NOW, hourly=True)


def test_the_hourly_rate_can_be_left_out() -> None:
    usage = Usage(9, api_keys.hour_of(NOW), 9)

    assert api_keys.limit_reached(make_key(hourly_rate=3), usage, now=NOW, hourly=False) is None
