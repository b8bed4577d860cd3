"""API keys in the database. A deleted key stays as a row, so that its usage keeps an owner."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.gateway.domain.api_keys import ApiKey, ApiKeyChange, NewApiKey
from services.gateway.errors import ApiKeyNotFound, OrganizationNotFound


async def insert(conn: Connection, new: NewApiKey, *, org_id: UUID, prefix: str, digest: bytes) -> ApiKey:
    try:
        [row] = await conn.fetch(
            """
            INSERT INTO gateway.api_keys (org_id, name, prefix, hash, scopes, expires_at, hourly_rate, quota)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            RETURNING id, org_id, name, prefix, scopes, enabled, expires_at, hourly_rate, quota, usage_count,
                      last_used_at, created_at
            """,
            org_id,
            new.name,
            prefix,
            digest,
            sorted(new.scopes),
            new.expires_at,
            new.hourly_rate,
            new.quota,
        )
    except asyncpg.ForeignKeyViolationError:
        raise OrganizationNotFound from None
    return _api_key(row)


async def get(conn: Connection, id_: UUID) -> ApiKey:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, prefix, scopes, enabled, expires_at, hourly_rate, quota, usage_count,
               last_used_at, created_at
          FROM gateway.api_keys
         WHERE id = $1 AND deleted_at IS NULL
        """,
        id_,
    )
    if row is None:
        raise ApiKeyNotFound
    return _api_key(row)


async def find_by_digest(conn: Connection, digest: bytes) -> ApiKey | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, prefix, scopes, enabled, expires_at, hourly_rate, quota, usage_count,
               last_used_at, created_at
          FROM gateway.api_keys
         WHERE hash = $1 AND deleted_at IS NULL
        """,
        digest,
    )
    return _api_key(row) if row else None


async def list_after(conn: Connection, *, after: tuple[datetime, UUID] | None, limit: int) -> list[ApiKey]:
    """Newest first."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, prefix, scopes, enabled, expires_at, hourly_rate, quota, usage_count,
               last_used_at, created_at
          FROM gateway.api_keys
         WHERE deleted_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $3
        """,
        *(after or (None, None)),
        limit,
    )
    return [_api_key(row) for row in rows]


async def update(conn: Connection, id_: UUID, change: ApiKeyChange) -> ApiKey:
    row = await conn.fetchrow(
        """
        UPDATE gateway.api_keys
           SET name = coalesce($2, name),
               enabled = coalesce($3, enabled),
               expires_at = coalesce($4, expires_at),
               hourly_rate = coalesce($5, hourly_rate),
               quota = coalesce($6, quota)
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, org_id, name, prefix, scopes, enabled, expires_at, hourly_rate, quota, usage_count,
                  last_used_at, created_at
        """,
        id_,
        change.name,
        change.enabled,
        change.expires_at,
        change.hourly_rate,
        change.quota,
    )
    if row is None:
        raise ApiKeyNotFound
    return _api_key(row)


async def delete(conn: Connection, id_: UUID) -> None:
    deleted = await conn.fetchval(
        "UPDATE gateway.api_keys SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING true",
        id_,
    )
    if not deleted:
        raise ApiKeyNotFound


def _api_key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        org_id=row["org_id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=frozenset(row["scopes"]),
        enabled=row["enabled"],
        expires_at=row["expires_at"],
        hourly_rate=row["hourly_rate"],
        quota=row["quota"],
        usage_count=row["usage_count"],
        last_used_at=row["last_used_at"],
        created_at=row["created_at"],
    )
