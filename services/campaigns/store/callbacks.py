"""Contacts who asked to be called back. Of a locked campaign."""

from datetime import datetime
from uuid import UUID

from libs.pg import Connection


async def set_wish(conn: Connection, contact_id: UUID, *, call_back_at: datetime) -> None:
    """Somebody who is on the phone is settled by the end of the call; who was done with comes up again. Who
    must not be called stays as they are; who waited for something else waits for their own time."""
    await conn.execute(
        """
        UPDATE campaigns.contacts
           SET callback_at = $2::timestamptz, callback_dialed = false, wait_reason = '', updated_at = now(),
               status = CASE status WHEN 'DONE' THEN 'PENDING' ELSE status END,
               next_attempt_at = CASE WHEN status IN ('DONE', 'PENDING') THEN $2::timestamptz END
         WHERE id = $1 AND status <> 'SKIPPED'
        """,
        contact_id,
        call_back_at,
    )
