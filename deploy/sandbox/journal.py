"""What the sandbox remembers over a restart, in one SQLite file.

Documents (calls, assistants, phone numbers, messages) are rows of JSON by kind and id; requests, deliveries
and received webhooks are append-only entries. Killing the process loses nothing, a power cut may (no fsync).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

ENTRIES_MAX = 100_000
DOCUMENTS_MAX = 50_000
_PRUNE_EVERY = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    position integer PRIMARY KEY AUTOINCREMENT, kind text NOT NULL, id text NOT NULL, data blob NOT NULL,
    UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS entries (
    seq integer PRIMARY KEY AUTOINCREMENT, log text NOT NULL, data blob NOT NULL);
CREATE INDEX IF NOT EXISTS entries_log ON entries (log, seq);
CREATE TABLE IF NOT EXISTS facts (name text PRIMARY KEY, data blob NOT NULL);
"""


class Journal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / "sandbox.sqlite3", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._writes = 0

    def close(self) -> None:
        self._db.close()

    def put(self, kind: str, key: str, document: Any) -> None:
        """Saves the document; it keeps the position of its first save."""
        self._db.execute(
            "INSERT INTO documents (kind, id, data) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET data = excluded.data",
            (kind, key, msgspec.json.encode(document)),
        )
        self._prune_sometimes()

    def remove(self, kind: str, key: str) -> None:
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, key))

    def remove_all(self, kind: str) -> None:
        self._db.execute("DELETE FROM documents WHERE kind = ?", (kind,))

    def all(self, kind: str, as_type: type[T]) -> list[T]:
        rows = self._db.execute(
            "SELECT data FROM documents WHERE kind = ? ORDER BY position LIMIT ?", (kind, DOCUMENTS_MAX)
        )
        return [msgspec.json.decode(data, type=as_type) for (data,) in rows]

    def append(self, log: str, entry: dict[str, Any]) -> int:
        cursor = self._db.execute(
            "INSERT INTO entries (log, data) VALUES (?, ?)", (log, msgspec.json.encode(entry))
        )
        self._prune_sometimes()
        return int(cursor.lastrowid or 0)

    def entries(self, log: str, *, limit: int = 10_000, after: int = 0) -> list[dict[str, Any]]:
        """The first `limit` entries after that sequence number, oldest first, each with its `seq`."""
        rows = self._db.execute(
            "SELECT seq, data FROM entries WHERE log = ? AND seq > ? ORDER BY seq LIMIT ?",
            (log, after, limit),
        )
        return [{"seq": seq, **msgspec.json.decode(data)} for seq, data in rows]

    def remember(self, name: str, value: Any) -> None:
        self._db.execute(
            "INSERT INTO facts (name, data) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET data = excluded.data",
            (name, msgspec.json.encode(value)),
        )

    def recall(self, name: str) -> Any:
        row = self._db.execute("SELECT data FROM facts WHERE name = ?", (name,)).fetchone()
        return msgspec.json.decode(row[0]) if row else None

    def forget(self, *, kinds: tuple[str, ...]) -> None:
        """Removes every entry and the documents of these kinds."""
        self._db.execute("DELETE FROM entries")
        for kind in kinds:
            self.remove_all(kind)

    def _prune_sometimes(self) -> None:
        self._writes += 1
        if self._writes % _PRUNE_EVERY:
            return
        for (log,) in self._db.execute("SELECT DISTINCT log FROM entries").fetchall():
            self._db.execute(
                "DELETE FROM entries WHERE log = ? AND seq <="
                " (SELECT seq FROM entries WHERE log = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (log, log, ENTRIES_MAX),
            )
