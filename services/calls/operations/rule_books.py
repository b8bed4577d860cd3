"""The rules of organizations, read at most every few seconds."""

import time
from typing import Final
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import RuleBook
from services.calls.store import rules

# A change counts everywhere within 5 seconds.
_FRESH_SECONDS: Final = 3.0
_BOOKS_MAX: Final = 1000


class RuleBooks:
    def __init__(self) -> None:
        self._books: dict[UUID, tuple[RuleBook, float]] = {}

    async def of(self, conn: Connection, org_id: UUID) -> RuleBook:
        """May be a few seconds old."""
        book, fresh_until = self._books.get(org_id, (None, 0.0))
        if book is not None and time.monotonic() < fresh_until:
            return book
        if len(self._books) >= _BOOKS_MAX:
            self._books.clear()
        read_at = time.monotonic()
        book = await rules.read_book(conn, org_id=org_id)
        self._books[org_id] = (book, read_at + _FRESH_SECONDS)
        return book

    def forget(self, org_id: UUID) -> None:
        """After a change, so that its author sees it at once."""
        self._books.pop(org_id, None)
