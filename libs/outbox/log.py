"""Writing and reading the log of one service.

The cursor is the pair (transaction id, position), and only rows of transactions older than every running one
are read. A plain sequence would not do: a transaction that took its number early and commits late would be
skipped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs import telemetry
from libs.errors import FieldViolation, InvalidArgument
from libs.pg.identifiers import checked
from libs.pg.transactions import Connection


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `data` is a serialized google.protobuf.Any; `traceparent` the trace it belongs to,
    where that is not the current one (a batch holds events of many). Without an `id` it gets one."""

    type: str
    subject: str
    org_id: UUID
    data: bytes
    traceparent: str = ""
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    id: UUID
    type: str
    subject: str
    org_id: UUID
    time: datetime
    traceparent: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` is the place after the last event; the one asked for if there is none. `missed`: between the
    one asked for and these events, others were forgotten. `more_soon`: there is no event to read yet, but one
    that waits for an older transaction's end."""

    events: tuple[StoredEvent, ...]
    cursor: str
    missed: bool = False
    more_soon: bool = False


def channel(schema: str) -> str:
    """What PostgreSQL notifies when events are committed."""
    return f"{checked(schema)}_outbox"


async def append(conn: Connection, schema: str, events: Sequence[NewEvent]) -> None:
    """Adds events to the transaction, as part of the current trace, and wakes the readers at its commit.

    Call it after taking the lock on the subject's row: then the events of a subject stand in the order of its
    changes.
    """
    if not events:
        return
    current = telemetry.current_traceparent()
    await conn.execute(
        # The schema is the only part that varies, and a checked identifier.
        f"""
        WITH appended AS (
            INSERT INTO {checked(schema)}.outbox (id, org_id, type, subject, traceparent, data)
            SELECT coalesce(id, uuidv7()), org_id, type, subject, traceparent, data
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $7::uuid[])
                   WITH ORDINALITY AS event (org_id, type, subject, data, traceparent, id, ordinal)
             ORDER BY ordinal
        )
        SELECT pg_notify($6, '')
        """,
        [event.org_id for event in events],
        [event.type for event in events],
        [event.subject for event in events],
        [event.data for event in events],
        [event.traceparent or current for event in events],
        channel(schema),
        [event.id for event in events],
    )


async def read_after(
    conn: Connection, schema: str, cursor: str, limit: int, *, types: Collection[str] = ()
) -> Page:
    """Of the next `limit` events those of these types, or all. One statement, because the rows and the
    horizon must come from the same snapshot."""
    xid, position = _parse(cursor)
    rows = await conn.fetch(
        f"""
        SELECT event.xid::text AS xid_text, event.position, event.id, event.type, event.subject, event.org_id,
               event.time, event.traceparent, event.time < now() - interval '7 days' AS may_follow_forgotten,
               CASE WHEN cardinality($4::text[]) = 0 OR event.type = ANY($4) THEN event.data END AS data
          FROM {checked(schema)}.outbox AS event
         WHERE (event.xid, event.position) > ($1::text::xid8, $2)
           AND event.xid < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY event.xid, event.position
         LIMIT $3
        """,
        xid,
        position,
        limit,
        list(types),
    )
    if not rows:
        return Page(events=(), cursor=cursor, more_soon=await _any_after(conn, schema, xid, position))
    # Two transactions that met at a lock may have got their ids in the other order than their turns; both
    # become readable at the same instant, and positions tell the turns.
    in_order = sorted((row for row in rows if row["data"] is not None), key=lambda row: row["position"])
    return Page(
        events=tuple(map(_event, in_order)),
        cursor=f"{rows[-1]['xid_text']}.{rows[-1]['position']}",
        missed=cursor != "" and rows[0]["may_follow_forgotten"] and await _begins_after(conn, schema, cursor),
    )


async def _any_after(conn: Connection, schema: str, xid: str, position: int) -> bool:
    """Readable or not. Asked for in order, because without one the server takes any row, and looks for it
    through the whole log."""
    found: bool | None = await conn.fetchval(
        f"""
        SELECT true
          FROM {checked(schema)}.outbox AS event
         WHERE (event.xid, event.position) > ($1::text::xid8, $2)
         ORDER BY event.xid, event.position
         LIMIT 1
        """,
        xid,
        position,
    )
    return found is not None


async def _begins_after(conn: Connection, schema: str, cursor: str) -> bool:
    """Whether the oldest event there is comes after the cursor. The one before the cursor was there once, and
    of those that are forgotten the last stays: more than that one are gone. Nothing younger than a week is
    ever forgotten, so this needs asking only where an older event is next."""
    begins_after: bool = await conn.fetchval(
        f"""
        SELECT (event.xid, event.position) > ($1::text::xid8, $2)
          FROM {checked(schema)}.outbox AS event
         ORDER BY event.xid, event.position
         LIMIT 1
        """,
        *_parse(cursor),
    )
    return begins_after


def _parse(cursor: str) -> tuple[str, int]:
    xid, _, position = cursor.partition(".") if cursor else ("0", "", "0")
    if not (xid.isascii() and xid.isdecimal() and position.isascii() and position.isdecimal()):
        raise InvalidArgument(violations=[FieldViolation("after", "is not a cursor of this log")])
    if int(xid) >= 2**64 or int(position) >= 2**63:
        raise InvalidArgument(violations=[FieldViolation("after", "is not a cursor of this log")])
    return xid, int(position)


def _event(row: Mapping[str, Any]) -> StoredEvent:
    return StoredEvent(
        id=row["id"],
        type=row["type"],
        subject=row["subject"],
        org_id=row["org_id"],
        time=row["time"],
        traceparent=row["traceparent"],
        data=row["data"],
    )
