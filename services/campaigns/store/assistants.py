"""Assistants and their versions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.campaigns.domain.assistants import PROVIDER, Assistant, Content, ProviderAssistant, Source
from services.campaigns.domain.templates import Template
from services.campaigns.errors import AssistantAlreadyExists
from services.campaigns.store import assistant_writes
from services.campaigns.store.rows import existing


def _assistant(row: Mapping[str, Any]) -> Assistant:
    return Assistant(**{**row, "source": Source(row["source"])})


async def find(conn: Connection, assistant_id: UUID) -> Assistant | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active,
               inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
               created_at, updated_at
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
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active,
               inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
               created_at, updated_at
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
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active,
               inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
               created_at, updated_at
          FROM campaigns.assistants
         WHERE provider = $1 AND provider_assistant_id = $2 AND deleted_at IS NULL
           FOR NO KEY UPDATE
        """,
        PROVIDER,
        provider_assistant_id,
    )
    return _assistant(row) if row else None


async def list_after(
    conn: Connection,
    *,
    after: tuple[str, UUID] | None,
    active: bool | None,
    source: Source | None,
    limit: int,
) -> list[Assistant]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active,
               inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
               created_at, updated_at
          FROM campaigns.assistants
         WHERE deleted_at IS NULL
           AND ($1::text IS NULL OR (name, id) > ($1, $2))
           AND ($3::boolean IS NULL OR active = $3)
           AND ($4::text IS NULL OR source = $4)
         ORDER BY name, id
         LIMIT $5
        """,
        after[0] if after else None,
        after[1] if after else None,
        active,
        source.value if source else None,
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
    written = assistant_writes.columns(Content(name, provider_assistant.config), provider_assistant.content)
    try:
        row = await conn.fetchrow(
            """
            INSERT INTO campaigns.assistants
                   (org_id, name, source, provider, provider_assistant_id, config, ephemeral, written_name,
                    written_config)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active,
                      inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
                      created_at, updated_at
            """,
            org_id,
            name,
            source.value,
            PROVIDER,
            provider_assistant.id,
            dict(provider_assistant.config),
            ephemeral,
            *written,
        )
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name == "assistants_provider_id_unique":
            raise AssistantAlreadyExists from exc
        raise
    created = _assistant(existing(row))
    await _insert_version(conn, created)
    return created


async def set_active(
    conn: Connection, assistant_id: UUID, *, revision: int, active: bool
) -> Assistant | None:
    """By hand. None if it is gone or no longer at that revision."""
    row = await conn.fetchrow(
        """
        UPDATE campaigns.assistants
           SET active = $3, inactive_reason = '', missing_at = NULL,
               revision = revision + 1, updated_at = now()
         WHERE id = $1 AND revision = $2 AND deleted_at IS NULL
        RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active,
                  inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
                  created_at, updated_at
        """,
        assistant_id,
        revision,
        active,
    )
    return _assistant(row) if row else None


async def update(
    conn: Connection,
    assistant_id: UUID,
    content: Content,
    *,
    revision: int,
    at_provider: Content,
    active: bool | None = None,
    restored_version: int | None = None,
) -> Assistant | None:
    """None if it is gone or no longer at that revision. A changed content becomes a version. `at_provider` is
    what the provider is known to have from now on."""
    row = await conn.fetchrow(
        """
        UPDATE campaigns.assistants
           SET name = $3, config = $4, active = coalesce($5, active),
               version = version + CASE WHEN (name, config) IS DISTINCT FROM ($3::text, $4::jsonb)
                                        THEN 1 ELSE 0 END,
               inactive_reason = CASE WHEN $5::boolean IS NULL THEN inactive_reason ELSE '' END,
               written_name = $6, written_config = $7, writing_at = NULL,
               revision = revision + 1, updated_at = now()
         WHERE id = $1 AND revision = $2 AND deleted_at IS NULL
        RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active,
                  inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
                  created_at, updated_at
        """,
        assistant_id,
        revision,
        content.name,
        dict(content.config),
        active,
        *assistant_writes.columns(content, at_provider),
    )
    if row is None:
        return None
    changed = _assistant(row)
    await _insert_version(conn, changed, restored_version=restored_version)
    return changed


async def list_by_provider_ids(
    conn: Connection, provider_assistant_ids: Sequence[str]
) -> dict[str, Assistant]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, source, provider, provider_assistant_id, config, active,
               inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
               created_at, updated_at
          FROM campaigns.assistants
         WHERE provider = $1 AND provider_assistant_id = ANY($2::text[]) AND deleted_at IS NULL
        """,
        PROVIDER,
        list(provider_assistant_ids),
    )
    return {row["provider_assistant_id"]: _assistant(row) for row in rows}


async def insert_templates(conn: Connection, templates: Sequence[Template], *, org_id: UUID) -> None:
    """Those that the organization does not have yet."""
    for template in templates:
        row = await conn.fetchrow(
            """
            INSERT INTO campaigns.assistants
                   (org_id, name, source, provider, provider_assistant_id, config, active, template)
            VALUES ($1, $2, 'TEMPLATE', $3, '', $4, false, $5)
                ON CONFLICT (org_id, template) WHERE template IS NOT NULL DO NOTHING
            RETURNING id, org_id, name, source, provider, provider_assistant_id, config, active,
                      inactive_reason, ephemeral, version, revision, written_name, written_config, checked_at,
                      created_at, updated_at
            """,
            org_id,
            template.name,
            PROVIDER,
            dict(template.config),
            template.key,
        )
        if row is not None:
            await _insert_version(conn, _assistant(row))


async def mark_deleted(conn: Connection, assistant_id: UUID) -> None:
    await conn.execute(
        """
        UPDATE campaigns.assistants SET deleted_at = now(), active = false, revision = revision + 1
         WHERE id = $1
        """,
        assistant_id,
    )


async def _insert_version(
    conn: Connection, assistant: Assistant, *, restored_version: int | None = None
) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.assistant_versions
               (assistant_id, version, org_id, name, config, restored_version)
        VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (assistant_id, version) DO NOTHING
        """,
        assistant.id,
        assistant.version,
        assistant.org_id,
        assistant.name,
        dict(assistant.config),
        restored_version,
    )
