"""Organizations in the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.gateway.domain.organizations import Organization
from services.gateway.errors import NameTaken, OrganizationNotFound


async def insert(conn: Connection, *, name: str) -> Organization:
    try:
        [row] = await conn.fetch(
            "INSERT INTO gateway.organizations (name) VALUES ($1) RETURNING id, name, created_at", name
        )
    except asyncpg.UniqueViolationError:
        raise NameTaken from None
    return _organization(row)


async def get(conn: Connection, id_: UUID) -> Organization:
    row = await conn.fetchrow("SELECT id, name, created_at FROM gateway.organizations WHERE id = $1", id_)
    if row is None:
        raise OrganizationNotFound
    return _organization(row)


async def list_after(
    conn: Connection, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Organization]:
    """Newest first."""
    rows = await conn.fetch(
        """
        SELECT id, name, created_at
          FROM gateway.organizations
         WHERE $1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid)
         ORDER BY created_at DESC, id DESC
         LIMIT $3
        """,
        *(after or (None, None)),
        limit,
    )
    return [_organization(row) for row in rows]


def _organization(row: Mapping[str, Any]) -> Organization:
    return Organization(id=row["id"], name=row["name"], created_at=row["created_at"])
