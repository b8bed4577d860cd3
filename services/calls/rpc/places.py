"""Places in lists: page tokens for keyset pagination."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from libs.errors import InvalidPageToken
from libs.rpc import pages

_T = TypeVar("_T")


def moment_place(token: str) -> tuple[datetime, UUID] | None:
    """For lists in the order of a time and an id. None for the beginning."""
    values = pages.decode(token, size=2)
    if not values:
        return None
    try:
        return pages.moment(values[0]), UUID(values[1])
    except ValueError:
        raise InvalidPageToken from None


def number_place(token: str) -> tuple[int, UUID] | None:
    """For lists in the order of a number and an id."""
    values = pages.decode(token, size=2)
    if not values:
        return None
    try:
        number, item_id = int(values[0]), UUID(values[1])
    except ValueError:
        raise InvalidPageToken from None
    if abs(number) >= 2**31:
        raise InvalidPageToken
    return number, item_id


def text_place(token: str) -> str | None:
    """For lists in the order of a unique text."""
    values = pages.decode(token, size=1)
    return values[0] if values else None


def id_place(token: str) -> UUID | None:
    """For lists in the order of their ids."""
    values = pages.decode(token, size=1)
    try:
        return UUID(values[0]) if values else None
    except ValueError:
        raise InvalidPageToken from None


def cut(items: Sequence[_T], *, size: int, place: Callable[[_T], Sequence[str]]) -> tuple[Sequence[_T], str]:
    """A page of `size`, and the token of the next one if more than that were found."""
    if len(items) <= size:
        return items, ""
    return items[:size], pages.encode(place(items[size - 1]))
