"""One page of a list that is sorted by creation time and id, newest first."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

Place = tuple[datetime, UUID]


class Listed(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def created_at(self) -> datetime: ...


T = TypeVar("T", bound=Listed)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    # Where the next page begins; None on the last one.
    next: Place | None


async def page_of(read: Callable[[int], Awaitable[list[T]]], *, size: int) -> Page[T]:
    """`read` gets the number of items to read: one more than the page has, to see whether there are more."""
    items = await read(size + 1)
    if len(items) <= size:
        return Page(items=items, next=None)
    last = items[size - 1]
    return Page(items=items[:size], next=(last.created_at, last.id))
