"""Suppressions: who is not to be contacted, per organization."""

from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.notify.domain.suppressions import Channel, Source, Suppression


async def insert(
    conn: Connection, *, org_id: UUID, phone_number: str, channel: Channel, source: Source
) -> Suppression | None:
    """None if there is one of this number and channel already."""
    row = await conn.fetchrow(
        """
        INSERT INTO notify.suppressions (org_id, phone_number, channel, source)
        VALUES ($1, $2, $3, $4)
            ON CONFLICT (org_id, phone_number, channel) DO NOTHING
        RETURNING id, org_id, phone_number, channel, source, created_at
        """,
        org_id,
        phone_number,
        channel.value,
        source.value,
    )
    return _suppression(row) if row else None


async def find(conn: Connection, *, org_id: UUID, phone_number: str, channel: Channel) -> Suppression | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, phone_number, channel, source, created_at
          FROM notify.suppressions
         WHERE org_id = $1 AND phone_number = $2 AND channel = $3
        """,
        org_id,
        phone_number,
        channel.value,
    )
    return _suppression(row) if row else None


async def is_suppressed(conn: Connection, *, org_id: UUID, phone_number: str) -> bool:
    """Whether texts to the number are out."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM notify.suppressions
                        WHERE org_id = $1 AND phone_number = $2 AND channel IN ('SMS', 'ALL'))
        """,
        org_id,
        phone_number,
    )
    return found


async def list_page(
    conn: Connection, *, phone_number: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Suppression]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, phone_number, channel, source, created_at
          FROM notify.suppressions
         WHERE ($1 = '' OR phone_number = $1)
           AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $4
        """,
        phone_number,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_suppression(row) for row in rows]


async def delete(conn: Connection, *, suppression_id: UUID) -> Suppression | None:
    row = await conn.fetchrow(
        """
        DELETE FROM notify.suppressions WHERE id = $1
        RETURNING id, org_id, phone_number, channel, source, created_at
        """,
        suppression_id,
    )
    return _suppression(row) if row else None


async def delete_own(conn: Connection, *, org_id: UUID, phone_number: str) -> list[Suppression]:
    """Those that the person itself asked for by text; what was entered for other reasons stays."""
    rows = await conn.fetch(
        """
        DELETE FROM notify.suppressions
         WHERE org_id = $1 AND phone_number = $2 AND source = 'sms'
        RETURNING id, org_id, phone_number, channel, source, created_at
        """,
        org_id,
        phone_number,
    )
    return [_suppression(row) for row in rows]


def _suppression(row: Any) -> Suppression:
    return Suppression(
        id=row["id"],
        org_id=row["org_id"],
        phone_number=row["phone_number"],
        channel=Channel(row["channel"]),
        source=Source(row["source"]),
        created_at=row["created_at"],
    )
