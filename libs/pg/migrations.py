"""Forward-only migrations: numbered .sql files, each applied once, in its own transaction."""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from libs import telemetry
from libs.pg.identifiers import checked

_log = telemetry.logger(__name__)

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_POLL_SECONDS = 0.05
_LOCK_SECONDS_MAX = 120.0
_CONNECT_SECONDS_MAX = 60.0
_SETTINGS = {"lock_timeout": "4s", "statement_timeout": "60s", "search_path": "", "timezone": "UTC"}


class MigrationError(Exception):
    """The database and the migration files do not fit together."""


@dataclass(frozen=True, slots=True)
class _Migration:
    name: str
    sql: str

    @property
    def number(self) -> int:
        return int(self.name[:4])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(dsn: str, *, schema: str, folder: Path) -> list[str]:
    """Applies what is missing, in order, and returns the names. Any number of processes may call it at once.

    Raises MigrationError if an applied file was changed or a new file sorts before an applied one. A failing
    file leaves nothing behind. Applied migrations that the folder does not know are fine: old code runs on a
    newer schema.
    """
    migrations = _read(folder)
    connection = await _connect(dsn, application_name=f"{checked(schema)} migrate")
    try:
        await _lock(connection, schema=schema)
        await _create_table(connection, schema=schema)
        applied = await _applied(connection, schema=schema)
        missing = _missing(migrations, applied)
        for migration in missing:
            await _apply(connection, migration, schema=schema)
    finally:
        # Closing the session frees the advisory lock.
        await connection.close(timeout=5)
    return [migration.name for migration in missing]


def _read(folder: Path) -> list[_Migration]:
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        if not _FILE_NAME.fullmatch(path.name):
            raise MigrationError(f"{path.name}: migrations are named NNNN_words.sql")
        migrations.append(_Migration(name=path.name, sql=path.read_text(encoding="utf-8")))
    numbers = [migration.number for migration in migrations]
    if len(set(numbers)) < len(numbers):
        raise MigrationError(f"{folder}: two migrations have the same number")
    return migrations


async def _connect(dsn: str, *, application_name: str) -> Any:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _CONNECT_SECONDS_MAX
    while True:
        try:
            settings = {**_SETTINGS, "application_name": application_name}
            return await asyncpg.connect(dsn, timeout=5, server_settings=settings)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as exc:
            if loop.time() > deadline:
                raise
            _log.warning("database not reachable yet", exception_type=type(exc).__qualname__)
            await asyncio.sleep(0.5)


async def _lock(connection: Any, *, schema: str) -> None:
    """Polls, because a statement that waits for the lock holds a snapshot, and CREATE INDEX CONCURRENTLY in
    the process that has the lock would wait for that snapshot: a deadlock."""
    key = int.from_bytes(hashlib.sha256(f"callplane migrations {schema}".encode()).digest()[:8], signed=True)
    deadline = asyncio.get_running_loop().time() + _LOCK_SECONDS_MAX
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
        if asyncio.get_running_loop().time() > deadline:
            raise MigrationError(f"another process has been migrating {schema} for {_LOCK_SECONDS_MAX:.0f} s")
        await asyncio.sleep(_LOCK_POLL_SECONDS)


async def _create_table(connection: Any, *, schema: str) -> None:
    await connection.execute(
        f"""
        CREATE TABLE IF NOT EXISTS {schema}.migrations (
            number     integer     NOT NULL CONSTRAINT migrations_pkey PRIMARY KEY,
            name       text        NOT NULL,
            sha256     text        NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )


async def _applied(connection: Any, *, schema: str) -> dict[int, str]:
    rows = await connection.fetch(
        f"SELECT number, sha256 FROM {schema}.migrations ORDER BY number LIMIT 10000"
    )
    return {row["number"]: row["sha256"] for row in rows}


def _missing(migrations: Sequence[_Migration], applied: Mapping[int, str]) -> list[_Migration]:
    latest = max(applied, default=0)
    missing = []
    for migration in migrations:
        if migration.number not in applied:
            if migration.number < latest:
                raise MigrationError(f"{migration.name} is new but sorts before an applied migration")
            missing.append(migration)
        elif applied[migration.number] != migration.sha256:
            raise MigrationError(
                f"{migration.name} was changed after it was applied; write a new migration instead"
            )
    return missing


async def _apply(connection: Any, migration: _Migration, *, schema: str) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            f"INSERT INTO {schema}.migrations (number, name, sha256) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.sha256,
        )
    _log.info("migration applied", schema=schema, migration=migration.name)
