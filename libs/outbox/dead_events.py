"""Events that could not be handled, and those of the same subject that wait behind them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs.errors import InvalidPageToken, NotFound
from libs.pg.identifiers import checked
from libs.pg.transactions import Connection, Pool, transaction

_PAGE_DEFAULT = 50


@dataclass(frozen=True, slots=True)
class DeadEvent:
    position: int
    consumer: str
    event: bytes
    attempts: int
    error: str
    waiting: bool
    died_at: datetime


async def bury(
    conn: Connection,
    schema: str,
    *,
    consumer: str,
    event: events_pb2.Event,
    attempts: int,
    error: str,
    waiting: bool,
) -> None:
    await conn.execute(
        f"""
        INSERT INTO {checked(schema)}.dead_events
               (consumer, event_id, org_id, subject, event, attempts, error, waiting)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (consumer, event_id) DO NOTHING
        """,
        consumer,
        UUID(event.id),
        UUID(event.org_id),
        event.subject,
        event.SerializeToString(),
        attempts,
        error,
        waiting,
    )


async def blocked_subjects(
    conn: Connection, schema: str, *, consumer: str, subjects: Collection[str]
) -> frozenset[str]:
    """Those of `subjects` that have a dead event."""
    rows = await conn.fetch(
        f"""
        SELECT DISTINCT subject FROM {checked(schema)}.dead_events
         WHERE consumer = $1 AND subject = ANY($2::text[])
         LIMIT 1000
        """,
        consumer,
        list(subjects),
    )
    return frozenset(row["subject"] for row in rows)


async def find_subject(conn: Connection, schema: str, *, consumer: str, event_id: UUID) -> str | None:
    subject: str | None = await conn.fetchval(
        f"SELECT subject FROM {checked(schema)}.dead_events WHERE consumer = $1 AND event_id = $2",
        consumer,
        event_id,
    )
    return subject


async def find_first(conn: Connection, schema: str, *, consumer: str, subject: str) -> DeadEvent | None:
    """The oldest dead event of a subject."""
    row = await conn.fetchrow(
        f"""
        SELECT position, consumer, event, attempts, error, waiting, died_at
          FROM {checked(schema)}.dead_events
         WHERE consumer = $1 AND subject = $2
         ORDER BY position
         LIMIT 1
        """,
        consumer,
        subject,
    )
    return DeadEvent(**row) if row else None


async def delete(conn: Connection, schema: str, *, position: int) -> None:
    await conn.execute(f"DELETE FROM {checked(schema)}.dead_events WHERE position = $1", position)


async def record_failure(conn: Connection, schema: str, *, position: int, error: str) -> None:
    await conn.execute(
        f"""
        UPDATE {checked(schema)}.dead_events SET attempts = attempts + 1, error = $2, waiting = false
         WHERE position = $1
        """,
        position,
        error,
    )


async def discard(conn: Connection, schema: str, *, consumer: str, event_id: UUID) -> None:
    await conn.execute(
        f"DELETE FROM {checked(schema)}.dead_events WHERE consumer = $1 AND event_id = $2", consumer, event_id
    )


async def list_after(conn: Connection, schema: str, *, position: int, limit: int) -> list[DeadEvent]:
    rows = await conn.fetch(
        f"""
        SELECT position, consumer, event, attempts, error, waiting, died_at
          FROM {checked(schema)}.dead_events
         WHERE position > $1
         ORDER BY position
         LIMIT $2
        """,
        position,
        limit,
    )
    return [DeadEvent(**row) for row in rows]


class Reviver(Protocol):
    """What the servicer needs of a consumer."""

    async def retry(self, event_id: UUID) -> bool: ...

    async def discard(self, event_id: UUID) -> bool: ...


class DeadEventServicer(events_pb2_grpc.DeadEventServiceServicer):
    """Lists the dead events of all consumers of a schema and gives them back to theirs. `pool` is the worker
    role's."""

    def __init__(self, pool: Pool, *, schema: str, consumers: Sequence[Reviver]) -> None:
        self._pool = pool
        self._schema = schema
        self._consumers = tuple(consumers)

    async def ListDeadEvents(
        self, request: events_pb2.ListDeadEventsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> events_pb2.ListDeadEventsResponse:
        limit = request.page_size or _PAGE_DEFAULT
        async with transaction(self._pool) as conn:
            found = await list_after(conn, self._schema, position=_position(request.page_token), limit=limit)
        return events_pb2.ListDeadEventsResponse(
            dead_events=map(_to_proto, found),
            next_page_token=str(found[-1].position) if len(found) == limit else "",
        )

    async def RetryDeadEvent(
        self, request: events_pb2.RetryDeadEventRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        found = [await consumer.retry(UUID(request.event_id)) for consumer in self._consumers]
        return _empty_if(any(found))

    async def DiscardDeadEvent(
        self, request: events_pb2.DiscardDeadEventRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        found = [await consumer.discard(UUID(request.event_id)) for consumer in self._consumers]
        return _empty_if(any(found))


def _empty_if(found: bool) -> empty_pb2.Empty:
    if not found:
        raise NotFound
    return empty_pb2.Empty()


def _position(page_token: str) -> int:
    if not page_token:
        return 0
    if not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 19):
        raise InvalidPageToken
    return int(page_token)


def _to_proto(dead: DeadEvent) -> events_pb2.DeadEvent:
    message = events_pb2.DeadEvent(
        event=events_pb2.Event.FromString(dead.event),
        attempts=dead.attempts,
        error=dead.error,
        waiting=dead.waiting,
    )
    message.died_at.FromDatetime(dead.died_at)
    return message
