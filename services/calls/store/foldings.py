"""How far the ledger is in the record, what could not be read, and what is to go through the folder again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.webhooks import LedgerEntry
from services.calls.store.ledger import BATCH_BYTES_MAX, Place


async def lock_place(conn: Connection) -> tuple[Place, datetime]:
    """Where to go on, locked until the transaction ends, so that two folders cannot apply the same entries;
    and the database's time."""
    row = await conn.fetchrow(
        "SELECT xid::text AS xid, position, now() AS now FROM calls.foldings WHERE name = 'ledger' FOR UPDATE"
    )
    if row is None:
        raise LookupError("the migrations did not leave a cursor")
    return Place(xid=row["xid"], position=row["position"]), row["now"]


async def move(conn: Connection, place: Place) -> None:
    await conn.execute(
        """
        UPDATE calls.foldings
           SET xid = $1::text::xid8, position = $2, moved_at = now()
         WHERE name = 'ledger'
        """,
        place.xid,
        place.position,
    )


async def mark_unparsed(conn: Connection, entries: Sequence[tuple[LedgerEntry, str]]) -> None:
    """Says why these entries are not in the record; the latest reason counts."""
    await conn.execute(
        """
        INSERT INTO calls.unparsed_events (provider_event_id, org_id, received_at, reason)
        SELECT provider_event_id, org_id, received_at, reason
          FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
               AS entry (provider_event_id, org_id, received_at, reason)
            ON CONFLICT ON CONSTRAINT unparsed_events_pkey DO UPDATE SET reason = excluded.reason
        """,
        [entry.id for entry, _ in entries],
        [entry.org_id for entry, _ in entries],
        [entry.received_at for entry, _ in entries],
        [reason for _, reason in entries],
    )


async def unmark_unparsed(conn: Connection, entry_ids: Sequence[UUID]) -> None:
    await conn.execute(
        "DELETE FROM calls.unparsed_events WHERE provider_event_id = ANY($1::uuid[])", list(entry_ids)
    )


async def list_unparsed(conn: Connection, entry_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The reasons of those of these entries that are marked."""
    rows = await conn.fetch(
        """
        SELECT provider_event_id, reason
          FROM calls.unparsed_events
         WHERE provider_event_id = ANY($1::uuid[])
        """,
        list(entry_ids),
    )
    return {row["provider_event_id"]: row["reason"] for row in rows}


async def queue_replays_by_id(conn: Connection, entry_ids: Sequence[UUID]) -> int:
    """Of the organization of the transaction; ids it does not have are left out. Looks into every month: an
    id tells when the entry was stored, not when it was received."""
    status: str = await conn.execute(
        """
        INSERT INTO calls.replays (org_id, provider_event_id, received_at)
        SELECT org_id, id, received_at
          FROM calls.provider_events
         WHERE id = ANY($1::uuid[])
         ORDER BY xid, position
            ON CONFLICT ON CONSTRAINT replays_event_unique DO NOTHING
        """,
        list(entry_ids),
    )
    return int(status.rsplit(" ", 1)[1])


async def queue_replays(
    conn: Connection,
    *,
    since: datetime | None,
    until: datetime | None,
    message_type: str | None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> tuple[int, tuple[datetime, UUID] | None]:
    """Of the organization of the transaction, oldest first: looks at the next `limit` entries of the period
    and returns how many it queued, and the last one it saw; None at the end of the period."""
    received_at, entry_id = after or (None, None)
    row = await conn.fetchrow(
        """
        WITH slice AS (
            SELECT org_id, id, received_at, type
              FROM calls.provider_events
             WHERE ($1::timestamptz IS NULL OR received_at >= $1)
               AND ($2::timestamptz IS NULL OR received_at < $2)
               AND ($4::timestamptz IS NULL OR (received_at, id) > ($4, $5::uuid))
             ORDER BY received_at, id
             LIMIT $6
        ), queued AS (
            INSERT INTO calls.replays (org_id, provider_event_id, received_at)
            SELECT org_id, id, received_at
              FROM slice
             WHERE ($3::text IS NULL OR type = $3)
             ORDER BY received_at, id
                ON CONFLICT ON CONSTRAINT replays_event_unique DO NOTHING
            RETURNING true
        ), last AS (
            SELECT received_at, id FROM slice ORDER BY received_at DESC, id DESC LIMIT 1
        )
        SELECT (SELECT count(*) FROM queued) AS queued, (SELECT count(*) FROM slice) AS seen,
               (SELECT received_at FROM last) AS received_at, (SELECT id FROM last) AS id
        """,
        since,
        until,
        message_type,
        received_at,
        entry_id,
        limit,
    )
    return _queued(row, limit=limit)


async def queue_unparsed_replays(
    conn: Connection,
    *,
    since: datetime | None,
    until: datetime | None,
    message_type: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> tuple[int, tuple[datetime, UUID] | None]:
    """As `queue_replays`, of the entries that could not be read."""
    received_at, entry_id = after or (None, None)
    row = await conn.fetchrow(
        """
        WITH slice AS (
            SELECT org_id, provider_event_id AS id, received_at
              FROM calls.unparsed_events
             WHERE ($1::timestamptz IS NULL OR received_at >= $1)
               AND ($2::timestamptz IS NULL OR received_at < $2)
               AND ($4::timestamptz IS NULL OR (received_at, provider_event_id) > ($4, $5::uuid))
             ORDER BY received_at, provider_event_id
             LIMIT $6
        ), queued AS (
            INSERT INTO calls.replays (org_id, provider_event_id, received_at)
            SELECT slice.org_id, slice.id, slice.received_at
              FROM slice
              JOIN calls.provider_events AS entry USING (id, received_at)
             WHERE ($3::text IS NULL OR entry.type = $3)
             ORDER BY slice.received_at, slice.id
                ON CONFLICT ON CONSTRAINT replays_event_unique DO NOTHING
            RETURNING true
        ), last AS (
            SELECT received_at, id FROM slice ORDER BY received_at DESC, id DESC LIMIT 1
        )
        SELECT (SELECT count(*) FROM queued) AS queued, (SELECT count(*) FROM slice) AS seen,
               (SELECT received_at FROM last) AS received_at, (SELECT id FROM last) AS id
        """,
        since,
        until,
        message_type,
        received_at,
        entry_id,
        limit,
    )
    return _queued(row, limit=limit)


def _queued(row: Any, *, limit: int) -> tuple[int, tuple[datetime, UUID] | None]:
    more = row["seen"] == limit
    return row["queued"], (row["received_at"], row["id"]) if more else None


async def count_waiting(conn: Connection) -> tuple[int, datetime | None]:
    """How many replays of the organization of the transaction wait, and since when the oldest does."""
    row = await conn.fetchrow("SELECT count(*) AS waiting, min(requested_at) AS oldest FROM calls.replays")
    if row is None:
        raise LookupError("an aggregate has a row")
    return row["waiting"], row["oldest"]


async def take_replays(conn: Connection, *, limit: int) -> list[tuple[UUID, datetime]]:
    """The oldest requests, taken out of the queue with this transaction, as many as fit into memory; the one
    folder that holds the place may."""
    rows = await conn.fetch(
        """
        DELETE FROM calls.replays
         WHERE position IN (
               SELECT position
                 FROM (SELECT oldest.position,
                              sum(coalesce(octet_length(entry.body), 0))
                                  OVER (ORDER BY oldest.position) AS bytes,
                              row_number() OVER (ORDER BY oldest.position) AS turn
                         FROM (SELECT position, provider_event_id, received_at
                                 FROM calls.replays
                                ORDER BY position
                                LIMIT $1) AS oldest
                         LEFT JOIN calls.provider_events AS entry
                           ON entry.id = oldest.provider_event_id
                          AND entry.received_at = oldest.received_at) AS summed
                WHERE bytes <= $2 OR turn = 1)
        RETURNING provider_event_id, received_at
        """,
        limit,
        BATCH_BYTES_MAX,
    )
    return [(row["provider_event_id"], row["received_at"]) for row in rows]


async def create_partitions(conn: Connection, *, months_ahead: int) -> int:
    created: int = await conn.fetchval("SELECT calls.create_partitions($1)", months_ahead)
    return created
