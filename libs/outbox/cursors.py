"""A consumer's place in another service's log, in the consumer's own schema."""

from dataclasses import dataclass

from libs.errors import Kind, ServiceError
from libs.pg.identifiers import checked
from libs.pg.transactions import Connection


class CursorMoved(ServiceError):
    """Another process moved the cursor; nothing was written."""

    kind = Kind.LOST_RACE
    reason = "LOST_RACE"


@dataclass(frozen=True, slots=True)
class Place:
    cursor: str
    attempts: int


async def find_or_create(conn: Connection, schema: str, *, consumer: str) -> Place:
    rows = await conn.fetch(
        # An update that changes nothing, so that the row comes back whether it was there or not.
        f"""
        INSERT INTO {checked(schema)}.cursors AS place (consumer) VALUES ($1)
            ON CONFLICT (consumer) DO UPDATE SET cursor = place.cursor
        RETURNING cursor, attempts
        """,
        consumer,
    )
    return Place(cursor=rows[0]["cursor"], attempts=rows[0]["attempts"])


async def count_attempt(conn: Connection, schema: str, *, consumer: str, at: str) -> int:
    """Counts one more beginning of what follows the cursor; to be committed before it is handled."""
    attempts: int | None = await conn.fetchval(
        f"""
        UPDATE {checked(schema)}.cursors SET attempts = attempts + 1
         WHERE consumer = $1 AND cursor = $2
        RETURNING attempts
        """,
        consumer,
        at,
    )
    if attempts is None:
        raise CursorMoved
    return attempts


async def forget_attempt(conn: Connection, schema: str, *, consumer: str, at: str) -> None:
    """For a failure that says nothing about the events."""
    await conn.execute(
        f"""
        UPDATE {checked(schema)}.cursors SET attempts = greatest(attempts - 1, 0)
         WHERE consumer = $1 AND cursor = $2
        """,
        consumer,
        at,
    )


async def move(conn: Connection, schema: str, *, consumer: str, at: str, to: str) -> None:
    """Locks the cursor until the transaction ends. Raises CursorMoved unless it is where we think it is: so
    the effects of a batch are written once even if two processes believe they hold the lease."""
    moved: bool | None = await conn.fetchval(
        f"""
        UPDATE {checked(schema)}.cursors SET cursor = $3, attempts = 0, moved_at = now()
         WHERE consumer = $1 AND cursor = $2
        RETURNING true
        """,
        consumer,
        at,
        to,
    )
    if not moved:
        raise CursorMoved


async def lock(conn: Connection, schema: str, *, consumer: str) -> None:
    """Keeps the consumer from handling anything until the transaction ends."""
    await conn.execute(f"SELECT FROM {checked(schema)}.cursors WHERE consumer = $1 FOR UPDATE", consumer)
