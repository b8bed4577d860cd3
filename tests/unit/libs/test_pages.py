"""Page tokens come back from outside, and may hold anything."""

from datetime import UTC, datetime

import pytest

from libs.errors import InvalidPageToken
from libs.rpc import pages


def test_values_come_back() -> None:
    assert ["a", "ü"] == pages.decode(pages.encode(["a", "ü"]), size=2)
    assert [] == pages.decode("", size=2)


@pytest.mark.parametrize(
    "token", ["x", "!!!!", "e30", "W10", "ü", "W" * 999, pages.encode(["a"]), pages.encode(["a", "\0"])]
)
def test_what_we_did_not_write_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        pages.decode(token, size=2)


def test_a_moment_comes_back() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)

    assert at == pages.moment(at.isoformat())
    assert at == pages.moment("2026-01-02T05:04:05.000678+02:00")


@pytest.mark.parametrize(
    "value",
    ["", "5", "soon", "2026-01-02T03:04:05", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_a_moment_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidPageToken):
        pages.moment(value)
