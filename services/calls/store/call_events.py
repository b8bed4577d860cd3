"""Everything the provider told about calls, one row per webhook."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from libs.pg import Connection
from services.calls.domain.call_events import CallEvent, NewCallEvent


async def append(conn: Connection, call_events: Sequence[NewCallEvent]) -> None:
    """Webhooks that have their row already are left out. A row has the id of its webhook, so that it gets the
    same one when it is made again.

    Payloads travel as text, each by itself: as one document they would be parsed twice, and a thousand of
    them would not fit into working memory.
    """
    await conn.execute(
        """
        INSERT INTO calls.call_events (
               id, org_id, call_id, provider_event_id, type, status, occurred_at, received_at, payload)
        SELECT unnest($3::uuid[]), unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::uuid[]),
               unnest($4::text[]), unnest($5::text[]), unnest($6::timestamptz[]),
               unnest($7::timestamptz[]), unnest($8::text[])::jsonb
            ON CONFLICT ON CONSTRAINT call_events_provider_event_unique DO NOTHING
        """,
        [event.org_id for event in call_events],
        [event.call_id for event in call_events],
        [event.provider_event_id for event in call_events],
        [event.type for event in call_events],
        [event.status for event in call_events],
        [event.occurred_at for event in call_events],
        [event.received_at for event in call_events],
        [event.json or msgspec.json.encode(event.payload).decode() for event in call_events],
    )


async def list_page(
    conn: Connection, *, call_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[CallEvent]:
    """Oldest first, after the one at `after`."""
    occurred_at, event_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, call_id, provider_event_id, type, status, occurred_at, received_at, payload
          FROM calls.call_events
         WHERE call_id = $1 AND ($2::timestamptz IS NULL OR (occurred_at, id) > ($2, $3::uuid))
         ORDER BY occurred_at, id
         LIMIT $4
        """,
        call_id,
        occurred_at,
        event_id,
        limit,
    )
    return [CallEvent(**row) for row in rows]


async def list_of_calls(conn: Connection, call_ids: Sequence[UUID]) -> list[NewCallEvent]:
    """All of these calls, in the order in which they came."""
    rows = await conn.fetch(
        """
        SELECT org_id, call_id, provider_event_id, type, status, occurred_at, received_at, payload
          FROM calls.call_events
         WHERE call_id = ANY($1::uuid[])
         ORDER BY received_at, id
        """,
        list(call_ids),
    )
    return [NewCallEvent(**row) for row in rows]
