"""Webhooks that the ledger does not have yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from libs.pg import Connection
from services.gateway.domain.webhooks import IncomingEvent

# All together; beyond, `calls` has been away for so long that nobody can be surprised.
HELD_MAX: Final = 50_000


@dataclass(frozen=True, slots=True)
class HeldWebhook:
    """`event` has its body sealed, as it is stored."""

    id: UUID
    event: IncomingEvent


async def insert(conn: Connection, held: HeldWebhook) -> bool:
    """False if there are as many as there may be."""
    event = held.event
    status: str = await conn.execute(
        """
        INSERT INTO gateway.held_webhooks (id, org_id, source_id, provider, body, received_at, traceparent)
        SELECT $1, $2, $3, $4, $5, $6, $7
         WHERE NOT EXISTS (SELECT FROM gateway.held_webhooks OFFSET $8)
        """,
        held.id,
        event.org_id,
        event.source_id,
        event.provider,
        event.body,
        event.received_at,
        event.traceparent,
        HELD_MAX - 1,
    )
    return status == "INSERT 0 1"


async def list_oldest(
    conn: Connection, *, limit: int, bytes_max: int, after: HeldWebhook | None = None
) -> list[HeldWebhook]:
    """As many as fit into `bytes_max`, one at least; those that stand behind `after`, if it is given."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, source_id, provider, body, received_at, traceparent
          FROM (SELECT *, sum(octet_length(body)) OVER in_order AS bytes, row_number() OVER in_order AS turn
                  FROM (SELECT * FROM gateway.held_webhooks
                         WHERE $3::timestamptz IS NULL OR (received_at, id) > ($3, $4::uuid)
                         ORDER BY received_at, id
                         LIMIT $1) AS oldest
                WINDOW in_order AS (ORDER BY received_at, id)) AS summed
         WHERE bytes <= $2 OR turn = 1
         ORDER BY received_at, id
        """,
        limit,
        bytes_max,
        after.event.received_at if after else None,
        after.id if after else None,
    )
    return [
        HeldWebhook(
            id=row["id"],
            event=IncomingEvent(
                source_id=row["source_id"],
                org_id=row["org_id"],
                provider=row["provider"],
                body=row["body"],
                received_at=row["received_at"],
                traceparent=row["traceparent"],
            ),
        )
        for row in rows
    ]


async def delete(conn: Connection, ids: Sequence[UUID]) -> None:
    await conn.execute("DELETE FROM gateway.held_webhooks WHERE id = ANY($1::uuid[])", list(ids))
