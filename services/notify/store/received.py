"""Texts that people sent us, taken once each."""

from uuid import UUID

from libs.pg import Connection
from services.notify.domain.keywords import Keyword


async def find_reply(conn: Connection, *, provider_message_id: str) -> str | None:
    """What we answered to it before."""
    reply: str | None = await conn.fetchval(
        "SELECT reply FROM notify.received_messages WHERE provider_message_id = $1", provider_message_id
    )
    return reply


async def insert(
    conn: Connection, *, org_id: UUID, provider_message_id: str, sender: str, keyword: Keyword, reply: str
) -> bool:
    """False if another delivery of the same text came first."""
    inserted: bool | None = await conn.fetchval(
        """
        INSERT INTO notify.received_messages (org_id, provider_message_id, sender, keyword, reply)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (org_id, provider_message_id) DO NOTHING
        RETURNING true
        """,
        org_id,
        provider_message_id,
        sender,
        keyword.value,
        reply,
    )
    return inserted or False
