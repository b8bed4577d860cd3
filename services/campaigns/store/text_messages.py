"""Our copy of when a number was sent a text message, for the frequency cap."""

from datetime import datetime
from uuid import UUID

from libs.pg import Connection


async def insert(conn: Connection, message_id: UUID, *, org_id: UUID, phone: str, sent_at: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.text_messages (message_id, org_id, phone, sent_at)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT text_messages_pkey DO NOTHING
        """,
        message_id,
        org_id,
        phone,
        sent_at,
    )


async def delete_old(conn: Connection, *, days: int, limit: int) -> int:
    deleted: int = await conn.fetchval(
        """
        WITH deleted AS (
            DELETE FROM campaigns.text_messages
             WHERE message_id IN (SELECT message_id FROM campaigns.text_messages
                                   WHERE sent_at < clock_timestamp() - make_interval(days => $1)
                                   LIMIT $2)
            RETURNING 1
        )
        SELECT count(*) FROM deleted
        """,
        days,
        limit,
    )
    return deleted
