"""When organizations are open."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.business_hours import BusinessHours, Language, Opening


async def find(conn: Connection, *, org_id: UUID) -> tuple[BusinessHours, datetime] | None:
    """With the time of the last change."""
    row = await conn.fetchrow(
        "SELECT time_zone, language, weekly, updated_at FROM calls.business_hours WHERE org_id = $1", org_id
    )
    return (_hours(row), row["updated_at"]) if row else None


async def insert(conn: Connection, hours: BusinessHours, *, org_id: UUID) -> bool:
    """False if there are some already."""
    status: str = await conn.execute(
        """
        INSERT INTO calls.business_hours (org_id, time_zone, language, weekly) VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT business_hours_pkey DO NOTHING
        """,
        org_id,
        hours.time_zone,
        hours.language.value,
        hours.weekly,
    )
    return status == "INSERT 0 1"


async def put(conn: Connection, hours: BusinessHours, *, org_id: UUID) -> datetime:
    """Returns the time of the change."""
    updated_at: datetime = await conn.fetchval(
        """
        INSERT INTO calls.business_hours (org_id, time_zone, language, weekly) VALUES ($1, $2, $3, $4)
            ON CONFLICT ON CONSTRAINT business_hours_pkey DO UPDATE
           SET time_zone = excluded.time_zone, language = excluded.language, weekly = excluded.weekly,
               updated_at = now()
        RETURNING updated_at
        """,
        org_id,
        hours.time_zone,
        hours.language.value,
        hours.weekly,
    )
    return updated_at


def _hours(row: Mapping[str, Any]) -> BusinessHours:
    return BusinessHours(
        time_zone=row["time_zone"],
        language=Language(row["language"]),
        weekly=tuple(Opening(**one) for one in row["weekly"]),
    )
