"""Webhook sources in the database."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from libs.pg import Connection
from services.gateway.domain.signatures import Scheme, SignatureSettings
from services.gateway.domain.sources import NewSource, Source
from services.gateway.errors import NameTaken, OrganizationNotFound, SourceNotFound


async def insert(conn: Connection, new: NewSource, *, org_id: UUID, sealed_secret: bytes) -> Source:
    try:
        [row] = await conn.fetch(
            """
            INSERT INTO gateway.sources (
                   org_id, name, provider, schemes, secret, settings, default_assistant_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            RETURNING id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
                      default_assistant_id
            """,
            org_id,
            new.name,
            new.provider,
            [scheme.value for scheme in new.schemes],
            sealed_secret,
            msgspec.to_builtins(new.settings),
            new.default_assistant_id,
        )
    except asyncpg.UniqueViolationError:
        raise NameTaken from None
    except asyncpg.ForeignKeyViolationError:
        raise OrganizationNotFound from None
    return _source(row)


async def get(conn: Connection, id_: UUID) -> Source:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
               default_assistant_id
          FROM gateway.sources
         WHERE id = $1 AND deleted_at IS NULL
        """,
        id_,
    )
    if row is None:
        raise SourceNotFound
    return _source(row)


async def find_with_secrets(conn: Connection, name: str) -> tuple[Source, bytes, bytes | None] | None:
    """The source of a URL, its sealed secret and the one before that, if there is one."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
               default_assistant_id, secret, previous_secret
          FROM gateway.sources
         WHERE name = $1 AND deleted_at IS NULL
        """,
        name,
    )
    return (_source(row), row["secret"], row["previous_secret"]) if row else None


async def rotate(conn: Connection, id_: UUID, *, sealed_secret: bytes, overlap: timedelta) -> Source:
    """Sealed secrets are tied to their source and not to their column, so the old one moves as it is."""
    row = await conn.fetchrow(
        """
        UPDATE gateway.sources
           SET secret = $2,
               previous_secret = CASE WHEN $3 > interval '0' THEN secret END,
               previous_secret_expires_at = CASE WHEN $3 > interval '0' THEN now() + $3 END
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
                  default_assistant_id
        """,
        id_,
        sealed_secret,
        overlap,
    )
    if row is None:
        raise SourceNotFound
    return _source(row)


async def update(conn: Connection, id_: UUID, *, default_assistant_id: str | None) -> Source:
    """What is None stays."""
    row = await conn.fetchrow(
        """
        UPDATE gateway.sources
           SET default_assistant_id = coalesce($2, default_assistant_id)
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
                  default_assistant_id
        """,
        id_,
        default_assistant_id,
    )
    if row is None:
        raise SourceNotFound
    return _source(row)


async def list_after(conn: Connection, *, after: tuple[datetime, UUID] | None, limit: int) -> list[Source]:
    """Newest first."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, provider, schemes, settings, created_at, previous_secret_expires_at,
               default_assistant_id
          FROM gateway.sources
         WHERE deleted_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $3
        """,
        *(after or (None, None)),
        limit,
    )
    return [_source(row) for row in rows]


async def delete(conn: Connection, id_: UUID) -> None:
    deleted = await conn.fetchval(
        "UPDATE gateway.sources SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING true",
        id_,
    )
    if not deleted:
        raise SourceNotFound


def _source(row: Mapping[str, Any]) -> Source:
    return Source(
        id=row["id"],
        org_id=row["org_id"],
        name=row["name"],
        provider=row["provider"],
        schemes=tuple(Scheme(scheme) for scheme in row["schemes"]),
        settings=msgspec.convert(row["settings"], SignatureSettings),
        created_at=row["created_at"],
        previous_secret_expires_at=row["previous_secret_expires_at"],
        default_assistant_id=row["default_assistant_id"],
    )
