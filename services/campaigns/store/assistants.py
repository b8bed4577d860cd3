"""Assistants and their versions."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.campaigns.domain.assistants import PROVIDER, Assistant, ProviderAssistant, Source
from services.campaigns.errors import AssistantAlreadyExists
from services.campaigns.store.rows import existing


def _assistant(row: Mapping[str, Any]) -> Assistant:
    return Assistant(**{**row, "source": Source(row["source"])})


async def find(conn: Connection, assistant_id: UUID) -> Assistant | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
               version, revision, created_at, updated_at
          FROM campaigns.assistants
         WHERE id = $1 AND deleted_at IS NULL
        """,
        assistant_id,
    )
    return _assistant(row) if row else None


async def lock(conn: Connection, assistant_id: UUID) -> Assistant | None:
    """Against changes and deletion until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
               version, revision, created_at, updated_at
          FROM campaigns.assistants
         WHERE id = $1 AND deleted_at IS NULL
           FOR NO KEY UPDATE
        """,
        assistant_id,
    )
    return _assistant(row) if row else None


async def find_by_provider_id(conn: Connection, provider_assistant_id: str) -> Assistant | None:
    """Locked until the transaction ends."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
               version, revision, created_at, updated_at
          FROM campaigns.assistants
         WHERE provider = $1 AND provider_assistant_id = $2 AND deleted_at IS NULL
           FOR NO KEY UPDATE
        """,
        PROVIDER,
        provider_assistant_id,
    )
    return _assistant(row) if row else None


async def list_after(
    conn: Connection, *, after: tuple[str, UUID] | None, active: bool | None, limit: int
) -> list[Assistant]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
               version, revision, created_at, updated_at
          FROM campaigns.assistants
         WHERE deleted_at IS NULL
           AND ($1::text IS NULL OR (name, id) > ($1, $2))
           AND ($3::boolean IS NULL OR active = $3)
         ORDER BY name, id
         LIMIT $4
        """,
        after[0] if after else None,
        after[1] if after else None,
        active,
        limit,
    )
    return [_assistant(row) for row in rows]


async def insert(
    conn: Connection,
    provider_assistant: ProviderAssistant,
    *,
    org_id: UUID,
    name: str,
    source: Source,
    ephemeral: bool,
) -> Assistant:
    """Raises AssistantAlreadyExists if the directory has one for the same assistant of the provider."""
    try:
        row = await conn.fetchrow(
            """
            INSERT INTO campaigns.assistants
                   (org_id, name, source, provider, provider_assistant_id, config, ephemeral)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
                      version, revision, created_at, updated_at
            """,
            org_id,
            name,
            source.value,
            PROVIDER,
            provider_assistant.id,
            dict(provider_assistant.config),
            ephemeral,
        )
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name == "assistants_provider_id_unique":
            raise AssistantAlreadyExists from exc
        raise
    created = _assistant(existing(row))
    await _insert_version(conn, created)
    return created


async def update(
    conn: Connection,
    assistant_id: UUID,
    *,
    revision: int,
    name: str | None,
    config: Mapping[str, Any] | None,
    active: bool | None,
) -> Assistant | None:
    """None if it is gone or no longer at that revision. A changed name or configuration becomes a version."""
    row = await conn.fetchrow(
        """
        UPDATE campaigns.assistants
           SET name = coalesce($3, name), config = coalesce($4, config), active = coalesce($5, active),
               version = version + CASE WHEN coalesce($3, name) <> name OR coalesce($4, config) <> config
                                        THEN 1 ELSE 0 END,
               revision = revision + 1, updated_at = now()
         WHERE id = $1 AND revision = $2 AND deleted_at IS NULL
        RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active, ephemeral,
                  version, revision, created_at, updated_at
        """,
        assistant_id,
        revision,
        name,
        None if config is None else dict(config),
        active,
    )
    if row is None:
        return None
    changed = _assistant(row)
    await _insert_version(conn, changed)
    return changed


async def mark_deleted(conn: Connection, assistant_id: UUID) -> None:
    await conn.execute(
        """
        UPDATE campaigns.assistants SET deleted_at = now(), active = false, revision = revision + 1
         WHERE id = $1
        """,
        assistant_id,
    )


async def _insert_version(conn: Connection, assistant: Assistant) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.assistant_versions (assistant_id, version, org_id, name, config)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (assistant_id, version) DO NOTHING
        """,
        assistant.id,
        assistant.version,
        assistant.org_id,
        assistant.name,
        dict(assistant.config),
    )
