"""Keeping our copy of when numbers were sent text messages, which count for the frequency cap."""

from datetime import datetime
from typing import Final
from uuid import UUID

from libs.pg import Connection, Pool, transaction
from services.campaigns.store import text_messages

# A frequency cap looks back 31 days at most.
_KEPT_DAYS: Final = 32
_DELETED_MAX: Final = 1000


async def note_sent(
    conn: Connection, message_id: UUID, *, org_id: UUID, phone: str, sent_at: datetime
) -> None:
    await text_messages.insert(conn, message_id, org_id=org_id, phone=phone, sent_at=sent_at)


class TextMessages:
    """`pool` is the worker role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def forget_old(self) -> int:
        async with transaction(self._pool) as conn:
            return await text_messages.delete_old(conn, days=_KEPT_DAYS, limit=_DELETED_MAX)
