"""The ledger of webhooks: written before anybody looks into them, never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.webhooks import Head, IncomingWebhook, LedgerEntry, LedgerRow

# A batch of entries held in memory at once; one that is larger comes alone.
BATCH_BYTES_MAX: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far the ledger was read."""

    xid: str
    position: int


async def append(conn: Connection, webhooks: Sequence[tuple[IncomingWebhook, Head]]) -> int:
    """Adds those that are not there yet, in one statement, and returns how many these were. Keys are taken
    in their own order, so that batches which share some wait for one another instead of blocking one
    another."""
    stored: int = await conn.fetchval(
        """
        WITH incoming AS (
            SELECT DISTINCT ON (source_id, dedupe_key) source_id, dedupe_key, org_id, provider, type,
                   provider_call_id, body, received_at, traceparent, ordinal
              FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::text[], $5::text[], $6::text[],
                          $7::bytea[], $8::timestamptz[], $9::text[]) WITH ORDINALITY
                   AS webhook (source_id, dedupe_key, org_id, provider, type, provider_call_id, body,
                               received_at, traceparent, ordinal)
             ORDER BY source_id, dedupe_key, ordinal
        ), fresh AS (
            INSERT INTO calls.provider_event_keys (source_id, dedupe_key, org_id, received_at)
            SELECT source_id, dedupe_key, org_id, received_at FROM incoming ORDER BY source_id, dedupe_key
                ON CONFLICT ON CONSTRAINT provider_event_keys_pkey DO NOTHING
            RETURNING source_id, dedupe_key
        ), stored AS (
            INSERT INTO calls.provider_events (
                   org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent)
            SELECT org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent
              FROM incoming JOIN fresh USING (source_id, dedupe_key)
             ORDER BY ordinal
            RETURNING true
        )
        SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('calls_ledger', '') END FROM stored
        """,
        [webhook.source_id for webhook, _ in webhooks],
        [head.dedupe_key for _, head in webhooks],
        [webhook.org_id for webhook, _ in webhooks],
        [webhook.provider for webhook, _ in webhooks],
        [head.type for _, head in webhooks],
        [head.provider_call_id for _, head in webhooks],
        [webhook.body for webhook, _ in webhooks],
        [webhook.received_at for webhook, _ in webhooks],
        [webhook.traceparent for webhook, _ in webhooks],
    )
    return stored


async def read_after(conn: Connection, place: Place, *, limit: int) -> tuple[list[LedgerEntry], Place]:
    """The next entries in the order of the ledger, and the place after them. One statement, because the rows
    and the horizon below which nothing can be added any more must come from the same snapshot."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, provider, body, received_at, traceparent, xid::text AS xid, position
          FROM (SELECT id, org_id, provider, body, received_at, traceparent, xid, position,
                       sum(octet_length(body)) OVER (ORDER BY xid, position) AS bytes,
                       row_number() OVER (ORDER BY xid, position) AS turn
                  FROM (SELECT id, org_id, provider, body, received_at, traceparent, xid, position
                          FROM calls.provider_events
                         WHERE (xid, position) > ($1::text::xid8, $2)
                           AND xid < pg_snapshot_xmin(pg_current_snapshot())
                         ORDER BY xid, position
                         LIMIT $3) AS next) AS summed
         WHERE bytes <= $4 OR turn = 1
         ORDER BY xid, position
        """,
        place.xid,
        place.position,
        limit,
        BATCH_BYTES_MAX,
    )
    if not rows:
        return [], place
    return [_entry(row) for row in rows], Place(xid=rows[-1]["xid"], position=rows[-1]["position"])


async def read_many(conn: Connection, ids: Sequence[tuple[UUID, datetime]]) -> list[LedgerEntry]:
    """Entries by id and time of receipt; the time leads to the partition."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, provider, body, received_at, traceparent
          FROM calls.provider_events
         WHERE received_at = ANY($2::timestamptz[]) AND id = ANY($1::uuid[])
         ORDER BY xid, position
        """,
        [entry_id for entry_id, _ in ids],
        [received_at for _, received_at in ids],
    )
    return [_entry(row) for row in rows]


async def exist(conn: Connection, ids: Sequence[UUID]) -> bool:
    """Whether the organization of the transaction has any of these."""
    return bool(
        await conn.fetchval(
            "SELECT EXISTS (SELECT FROM calls.provider_events WHERE id = ANY($1::uuid[]))", list(ids)
        )
    )


async def list_page(
    conn: Connection,
    *,
    message_type: str | None,
    provider_call_id: str | None,
    state: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[LedgerRow]:
    """Newest first, before the one at `before`. Of the organization of the transaction."""
    received_at, entry_id = before or (None, None)
    rows = await conn.fetch(
        """
        SELECT entry.id, entry.provider, entry.source_id, entry.type, entry.provider_call_id, event.call_id,
               CASE WHEN event.id IS NOT NULL THEN 'FOLDED'
                    WHEN unparsed.reason IS NOT NULL THEN 'UNPARSED'
                    ELSE 'PENDING' END AS state,
               coalesce(unparsed.reason, '') AS reason, octet_length(entry.body) AS size_bytes,
               entry.received_at
          FROM calls.provider_events AS entry
          LEFT JOIN calls.call_events AS event
            ON event.provider_event_id = entry.id AND event.received_at = entry.received_at
          LEFT JOIN calls.unparsed_events AS unparsed ON unparsed.provider_event_id = entry.id
         WHERE ($1::text IS NULL OR entry.type = $1)
           AND ($2::text IS NULL OR entry.provider_call_id = $2)
           AND ($3::text IS NULL
                OR $3 = 'FOLDED' AND event.id IS NOT NULL
                OR $3 = 'UNPARSED' AND event.id IS NULL AND unparsed.reason IS NOT NULL
                OR $3 = 'PENDING' AND event.id IS NULL AND unparsed.reason IS NULL)
           AND ($4::timestamptz IS NULL OR (entry.received_at, entry.id) < ($4, $5::uuid))
         ORDER BY entry.received_at DESC, entry.id DESC
         LIMIT $6
        """,
        message_type,
        provider_call_id,
        state,
        received_at,
        entry_id,
        limit,
    )
    return [LedgerRow(**row) for row in rows]


def _entry(row: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        id=row["id"],
        org_id=row["org_id"],
        provider=row["provider"],
        body=row["body"],
        received_at=row["received_at"],
        traceparent=row["traceparent"],
    )
