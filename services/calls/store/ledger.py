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
    another. Bodies are handed to the one place that stores them and pass through nothing else."""
    firsts: dict[tuple[UUID, bytes], tuple[IncomingWebhook, Head]] = {}
    for webhook, head in webhooks:
        firsts.setdefault((webhook.source_id, head.dedupe_key), (webhook, head))
    incoming = firsts.values()
    stored: int = await conn.fetchval(
        """
        WITH fresh AS (
            INSERT INTO calls.provider_event_keys (source_id, dedupe_key, org_id, received_at)
            SELECT source_id, dedupe_key, org_id, received_at
              FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::timestamptz[])
                   AS key (source_id, dedupe_key, org_id, received_at)
             ORDER BY source_id, dedupe_key
                ON CONFLICT ON CONSTRAINT provider_event_keys_pkey DO NOTHING
            RETURNING source_id, dedupe_key
        ), stored AS (
            INSERT INTO calls.provider_events (
                   org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent)
            SELECT org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent
              FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[],
                          $7::text[], $8::bytea[], $9::text[])
                   AS webhook (source_id, dedupe_key, org_id, received_at, provider, type,
                               provider_call_id, body, traceparent)
             WHERE (source_id, dedupe_key) IN (SELECT source_id, dedupe_key FROM fresh)
            RETURNING true
        )
        SELECT count(*), CASE WHEN count(*) > 0 THEN pg_notify('calls_ledger', '') END FROM stored
        """,
        [webhook.source_id for webhook, _ in incoming],
        [head.dedupe_key for _, head in incoming],
        [webhook.org_id for webhook, _ in incoming],
        [webhook.received_at for webhook, _ in incoming],
        [webhook.provider for webhook, _ in incoming],
        [head.type for _, head in incoming],
        [head.provider_call_id for _, head in incoming],
        [webhook.body for webhook, _ in incoming],
        [webhook.traceparent for webhook, _ in incoming],
    )
    return stored


async def read_after(conn: Connection, place: Place, *, limit: int) -> tuple[list[LedgerEntry], Place]:
    """The next entries in the order of the ledger, and the place after them. One statement, because the rows
    and the horizon below which nothing can be added any more must come from the same snapshot."""
    rows = await conn.fetch(
        """
        SELECT summed.id, summed.org_id, summed.source_id, summed.provider, summed.body, summed.received_at,
               summed.traceparent, summed.xid::text AS xid, summed.position
          FROM (SELECT id, org_id, source_id, provider, body, received_at, traceparent, xid, position,
                       sum(octet_length(body)) OVER (ORDER BY xid, position) AS bytes,
                       row_number() OVER (ORDER BY xid, position) AS turn
                  FROM (SELECT id, org_id, source_id, provider, body, received_at, traceparent, xid, position
                          FROM calls.provider_events
                         WHERE (xid, position) > ($1::text::xid8, $2)
                           AND xid < pg_snapshot_xmin(pg_current_snapshot())
                         ORDER BY xid, position
                         LIMIT $3) AS next) AS summed
         WHERE summed.bytes <= $4 OR summed.turn = 1
         ORDER BY summed.xid, summed.position
        """,
        place.xid,
        place.position,
        limit,
        BATCH_BYTES_MAX,
    )
    if not rows:
        return [], place
    return [_entry(row) for row in rows], Place(xid=rows[-1]["xid"], position=rows[-1]["position"])


async def any_after(conn: Connection, place: Place) -> bool:
    """Whether there are entries, readable or not: what was just stored waits for the end of every older
    transaction. Asked for in order, because without one the server takes any row, and looks for it through
    the whole ledger."""
    found: bool | None = await conn.fetchval(
        """
        SELECT true
          FROM calls.provider_events
         WHERE (xid, position) > ($1::text::xid8, $2)
         ORDER BY xid, position
         LIMIT 1
        """,
        place.xid,
        place.position,
    )
    return found is not None


async def newest_position(conn: Connection) -> int:
    """Positions are given in turn: the growth of this one tells how many entries came, within a few."""
    found: int | None = await conn.fetchval(
        "SELECT position FROM calls.provider_events ORDER BY xid DESC, position DESC LIMIT 1"
    )
    return found or 0


async def read_many(conn: Connection, ids: Sequence[tuple[UUID, datetime]]) -> list[LedgerEntry]:
    """Entries by id and time of receipt; the time leads to the partition."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, source_id, provider, body, received_at, traceparent
          FROM calls.provider_events
         WHERE received_at = ANY($2::timestamptz[]) AND id = ANY($1::uuid[])
         ORDER BY xid, position
        """,
        [entry_id for entry_id, _ in ids],
        [received_at for _, received_at in ids],
    )
    return [_entry(row) for row in rows]


async def fit(
    conn: Connection, keys: Sequence[tuple[UUID, str, str]], *, bytes_max: int = BATCH_BYTES_MAX
) -> int:
    """How many of these (organization, provider, provider's call id), from the first on, have entries that
    can be held in memory together; 1 at least."""
    rows = await conn.fetch(
        """
        SELECT wanted.ordinal, coalesce(sum(octet_length(entry.body)), 0)::bigint AS bytes
          FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY
               AS wanted (org_id, provider, provider_call_id, ordinal)
          LEFT JOIN calls.provider_events AS entry
            ON entry.org_id = wanted.org_id AND entry.provider = wanted.provider
           AND entry.provider_call_id = wanted.provider_call_id AND entry.provider_call_id <> ''
         GROUP BY wanted.ordinal
         ORDER BY wanted.ordinal
        """,
        [org_id for org_id, _, _ in keys],
        [provider for _, provider, _ in keys],
        [provider_call_id for _, _, provider_call_id in keys],
    )
    total = 0
    for row in rows:
        total += row["bytes"]
        if total > bytes_max:
            return max(1, int(row["ordinal"]) - 1)
    return len(keys)


async def list_of_calls(
    conn: Connection, keys: Sequence[tuple[UUID, str, str]], *, until: Place
) -> list[tuple[str, LedgerEntry]]:
    """Everything told about these (organization, provider, provider's call id) up to a place, in the order of
    the ledger, each with the provider's call id it was stored under."""
    rows = await conn.fetch(
        """
        SELECT entry.id, entry.org_id, entry.source_id, entry.provider, entry.provider_call_id, entry.body,
               entry.received_at, entry.traceparent
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (org_id, provider, provider_call_id)
          JOIN calls.provider_events AS entry USING (org_id, provider, provider_call_id)
         WHERE entry.provider_call_id <> '' AND (entry.xid, entry.position) <= ($4::text::xid8, $5)
         ORDER BY entry.xid, entry.position
        """,
        [org_id for org_id, _, _ in keys],
        [provider for _, provider, _ in keys],
        [provider_call_id for _, _, provider_call_id in keys],
        until.xid,
        until.position,
    )
    return [(row["provider_call_id"], _entry(row)) for row in rows]


async def list_loose(
    conn: Connection, *, org_id: UUID | None, after: Place, until: Place, limit: int
) -> tuple[list[LedgerEntry], Place | None]:
    """Of the next `limit` entries up to a place, those that are neither in the record nor marked as unparsed
    and that belong to no known call; and the place after them, None at the end."""
    rows = await conn.fetch(
        """
        SELECT judged.xid::text AS xid, judged.position, judged.id, judged.org_id, judged.source_id,
               judged.provider,
               judged.received_at, judged.traceparent, CASE WHEN judged.loose THEN entry.body END AS body
          FROM (SELECT xid, position, id, org_id, source_id, provider, received_at, traceparent,
                       ($1::uuid IS NULL OR org_id = $1)
                       AND NOT EXISTS (SELECT FROM calls.call_events AS event
                                        WHERE event.provider_event_id = listed.id
                                          AND event.received_at = listed.received_at)
                       AND NOT EXISTS (SELECT FROM calls.unparsed_events AS unparsed
                                        WHERE unparsed.provider_event_id = listed.id)
                       AND NOT EXISTS (SELECT FROM calls.own_facts AS own
                                        WHERE own.org_id = listed.org_id AND own.provider = listed.provider
                                          AND own.provider_call_id = listed.provider_call_id
                                          AND listed.provider_call_id <> '') AS loose
                  FROM (SELECT xid, position, id, org_id, source_id, provider, provider_call_id, received_at,
                               traceparent
                          FROM calls.provider_events
                         WHERE (xid, position) > ($2::text::xid8, $3)
                           AND (xid, position) <= ($4::text::xid8, $5)
                         ORDER BY xid, position
                         LIMIT $6) AS listed) AS judged
          JOIN calls.provider_events AS entry USING (id, received_at)
         ORDER BY judged.xid, judged.position
        """,
        org_id,
        after.xid,
        after.position,
        until.xid,
        until.position,
        limit,
    )
    loose = [_entry(row) for row in rows if row["body"] is not None]
    if len(rows) < limit:
        return loose, None
    return loose, Place(xid=rows[-1]["xid"], position=rows[-1]["position"])


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
        _LISTS.get(state or "", _LIST), message_type, provider_call_id, received_at, entry_id, limit
    )
    return [LedgerRow(**row) for row in rows]


# What is read of an entry, and what became of it; the same in each list below.
_LIST: Final = """
SELECT entry.id, entry.provider, entry.source_id, entry.type, entry.provider_call_id, event.call_id,
       CASE WHEN event.id IS NOT NULL THEN 'FOLDED'
            WHEN unparsed.reason IS NOT NULL THEN 'UNPARSED'
            ELSE 'PENDING' END AS state,
       coalesce(unparsed.reason, '') AS reason, octet_length(entry.body) AS size_bytes, entry.received_at
  FROM calls.provider_events AS entry
  LEFT JOIN calls.call_events AS event
    ON event.provider_event_id = entry.id AND event.received_at = entry.received_at
  LEFT JOIN calls.unparsed_events AS unparsed ON unparsed.provider_event_id = entry.id
 WHERE ($1::text IS NULL OR entry.type = $1)
   AND ($2::text IS NULL OR entry.provider_call_id = $2)
   AND ($3::timestamptz IS NULL OR (entry.received_at, entry.id) < ($3, $4::uuid))
 ORDER BY entry.received_at DESC, entry.id DESC
 LIMIT $5
"""
# Most entries are folded. The others are few: they are found where they are marked, or behind the folder's
# cursor, and not by looking through everything.
_LIST_FOLDED: Final = """
SELECT entry.id, entry.provider, entry.source_id, entry.type, entry.provider_call_id, folded.call_id,
       'FOLDED' AS state, '' AS reason, octet_length(entry.body) AS size_bytes, entry.received_at
  FROM calls.provider_events AS entry
 -- One by one: joined as a whole, both tables would be read from end to end.
 CROSS JOIN LATERAL (SELECT event.call_id
                       FROM calls.call_events AS event
                      WHERE event.provider_event_id = entry.id AND event.received_at = entry.received_at
                      LIMIT 1) AS folded
 WHERE ($1::text IS NULL OR entry.type = $1)
   AND ($2::text IS NULL OR entry.provider_call_id = $2)
   AND ($3::timestamptz IS NULL OR (entry.received_at, entry.id) < ($3, $4::uuid))
 ORDER BY entry.received_at DESC, entry.id DESC
 LIMIT $5
"""
_LIST_UNPARSED: Final = """
SELECT entry.id, entry.provider, entry.source_id, entry.type, entry.provider_call_id, NULL::uuid AS call_id,
       'UNPARSED' AS state, unparsed.reason, octet_length(entry.body) AS size_bytes, entry.received_at
  FROM calls.unparsed_events AS unparsed
  JOIN calls.provider_events AS entry
    ON entry.id = unparsed.provider_event_id AND entry.received_at = unparsed.received_at
 WHERE ($1::text IS NULL OR entry.type = $1)
   AND ($2::text IS NULL OR entry.provider_call_id = $2)
   AND ($3::timestamptz IS NULL OR (unparsed.received_at, unparsed.provider_event_id) < ($3, $4::uuid))
   AND NOT EXISTS (SELECT FROM calls.call_events AS event
                    WHERE event.provider_event_id = entry.id AND event.received_at = entry.received_at)
 ORDER BY unparsed.received_at DESC, unparsed.provider_event_id DESC
 LIMIT $5
"""
_LIST_PENDING: Final = """
WITH behind AS MATERIALIZED (
    SELECT entry.id, entry.provider, entry.source_id, entry.type, entry.provider_call_id,
           octet_length(entry.body) AS size_bytes, entry.received_at
      FROM calls.provider_events AS entry
     WHERE (entry.xid, entry.position) > (SELECT xid, position FROM calls.foldings WHERE name = 'ledger')
       -- All of these are; said so that the server expects few between the two, not a third of the ledger.
       AND entry.xid >= (SELECT xid FROM calls.foldings WHERE name = 'ledger')
       AND entry.xid < pg_snapshot_xmax(pg_current_snapshot())
)
SELECT id, provider, source_id, type, provider_call_id, NULL::uuid AS call_id, 'PENDING' AS state,
       '' AS reason, size_bytes, received_at
  FROM behind
 WHERE ($1::text IS NULL OR type = $1)
   AND ($2::text IS NULL OR provider_call_id = $2)
   AND ($3::timestamptz IS NULL OR (received_at, id) < ($3, $4::uuid))
 ORDER BY received_at DESC, id DESC
 LIMIT $5
"""
_LISTS: Final[Mapping[str, str]] = {
    "FOLDED": _LIST_FOLDED,
    "UNPARSED": _LIST_UNPARSED,
    "PENDING": _LIST_PENDING,
}


def _entry(row: Mapping[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        id=row["id"],
        org_id=row["org_id"],
        source_id=row["source_id"],
        provider=row["provider"],
        body=row["body"],
        received_at=row["received_at"],
        traceparent=row["traceparent"],
    )
