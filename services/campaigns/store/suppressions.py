"""Our copy of who is not to be called. `notify` owns the list and tells its changes by events."""

from uuid import UUID

from libs.pg import Connection


async def add(conn: Connection, *, org_id: UUID, phone: str, channel: str) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.suppressions (org_id, phone, channel)
        VALUES ($1, $2, $3)
            ON CONFLICT ON CONSTRAINT suppressions_pkey DO NOTHING
        """,
        org_id,
        phone,
        channel,
    )


async def remove(conn: Connection, *, org_id: UUID, phone: str, channel: str) -> None:
    await conn.execute(
        "DELETE FROM campaigns.suppressions WHERE org_id = $1 AND phone = $2 AND channel = $3",
        org_id,
        phone,
        channel,
    )


async def is_suppressed(conn: Connection, *, org_id: UUID, phone: str) -> bool:
    """For calls; who only refused text messages may be called."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM campaigns.suppressions
                        WHERE org_id = $1 AND phone = $2 AND channel IN ('VOICE', 'ALL'))
        """,
        org_id,
        phone,
    )
    return found
