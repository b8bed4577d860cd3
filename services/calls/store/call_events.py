"""Everything the provider told about calls, one row per webhook."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call_events import CallEvent, NewCallEvent


async def append(conn: Connection, call_events: Sequence[NewCallEvent]) -> None:
    """Webhooks that have their row already are left out. A row has the id of its webhook, so that it gets the
    same one when it is made again."""
    await conn.execute(
        """
        INSERT INTO calls.call_events (
               id, org_id, call_id, provider_event_id, type, status, occurred_at, received_at, payload)
        SELECT provider_event_id, org_id, call_id, provider_event_id, type, status, occurred_at, received_at,
               payload
          FROM jsonb_populate_recordset(NULL::calls.call_events, $1)
            ON CONFLICT ON CONSTRAINT call_events_provider_event_unique DO NOTHING
        """,
        call_events,
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
