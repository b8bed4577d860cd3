"""Consents of people to be called or written to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.consents import Channel, Consent, NewConsent


async def insert(conn: Connection, new: NewConsent, *, org_id: UUID) -> Consent | None:
    """None if one is in force for this number and channel."""
    row = await conn.fetchrow(
        """
        INSERT INTO campaigns.consents (org_id, phone, channel, source, obtained_at)
        VALUES ($1, $2, $3, $4, coalesce($5, now()))
            ON CONFLICT (org_id, phone, channel) WHERE revoked_at IS NULL DO NOTHING
        RETURNING id, phone, channel, source, obtained_at, recorded_at, revoked_at, revocation_source
        """,
        org_id,
        new.phone,
        new.channel.value,
        new.source,
        new.obtained_at,
    )
    return _consent(row) if row else None


async def find_in_force(conn: Connection, *, org_id: UUID, phone: str, channel: Channel) -> Consent | None:
    row = await conn.fetchrow(
        """
        SELECT id, phone, channel, source, obtained_at, recorded_at, revoked_at, revocation_source
          FROM campaigns.consents
         WHERE org_id = $1 AND phone = $2 AND channel = $3 AND revoked_at IS NULL
        """,
        org_id,
        phone,
        channel.value,
    )
    return _consent(row) if row else None


async def find(conn: Connection, consent_id: UUID) -> Consent | None:
    row = await conn.fetchrow(
        """
        SELECT id, phone, channel, source, obtained_at, recorded_at, revoked_at, revocation_source
          FROM campaigns.consents
         WHERE id = $1
        """,
        consent_id,
    )
    return _consent(row) if row else None


async def revoke(conn: Connection, consent_id: UUID, *, source: str) -> None:
    """Nothing if it is revoked."""
    await conn.execute(
        """
        UPDATE campaigns.consents
           SET revoked_at = clock_timestamp(), revocation_source = $2
         WHERE id = $1 AND revoked_at IS NULL
        """,
        consent_id,
        source,
    )


async def list_before(
    conn: Connection, *, phone: str | None, before: UUID | None, limit: int
) -> list[Consent]:
    """Newest first: ids are made in the order of time."""
    rows = await conn.fetch(
        """
        SELECT id, phone, channel, source, obtained_at, recorded_at, revoked_at, revocation_source
          FROM campaigns.consents
         WHERE ($1::text IS NULL OR phone = $1) AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC
         LIMIT $3
        """,
        phone,
        before,
        limit,
    )
    return [_consent(row) for row in rows]


async def read_clock(conn: Connection) -> datetime:
    now: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return now


def _consent(row: Mapping[str, Any]) -> Consent:
    return Consent(**{**row, "channel": Channel(row["channel"])})
