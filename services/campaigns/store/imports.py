"""Imports of contacts, and imports that were taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.contact_rows import Rejection
from services.campaigns.domain.imports import Import, Source, Undo
from services.campaigns.store.rows import existing

_UNDO = ("removed", "withdrawn", "kept", "undone_at")


def _import(row: Mapping[str, Any]) -> Import:
    columns = dict(row)
    undo = {name: columns.pop(name) for name in _UNDO}
    rejections = tuple(Rejection(**one) for one in columns.pop("rejections", ()))
    return Import(
        **{**columns, "source": Source(columns["source"])},
        undo=None if undo["undone_at"] is None else Undo(**undo),
        rejections=rejections,
    )


async def insert(
    conn: Connection,
    import_id: UUID,
    *,
    org_id: UUID,
    campaign_id: UUID,
    source: Source,
    default_region: str,
    accepted: int,
    duplicates: int,
    rejections: Sequence[Rejection],
) -> Import:
    row = await conn.fetchrow(
        """
        INSERT INTO campaigns.imports
               (id, org_id, campaign_id, source, default_region, total_rows, accepted, duplicates, rejected,
                rejections)
        VALUES ($1, $2, $3, $4, $5, $6::integer + $7::integer + $8::integer, $6, $7, $8, $9)
        RETURNING id, campaign_id, source, default_region, total_rows, accepted, duplicates, rejected,
                  created_at, NULL AS removed, NULL AS withdrawn, NULL AS kept, NULL AS undone_at
        """,
        import_id,
        org_id,
        campaign_id,
        source.value,
        default_region,
        accepted,
        duplicates,
        len(rejections),
        [
            {"row": one.row, "field": one.field, "reason": one.reason, "value": one.value}
            for one in rejections
        ],
    )
    return replace(_import(existing(row)), rejections=tuple(rejections))


async def find(conn: Connection, campaign_id: UUID, import_id: UUID) -> Import | None:
    row = await conn.fetchrow(
        """
        SELECT import.id, import.campaign_id, import.source, import.default_region, import.total_rows,
               import.accepted, import.duplicates, import.rejected, import.created_at, import.rejections,
               undo.removed, undo.withdrawn, undo.kept, undo.undone_at
          FROM campaigns.imports AS import
          LEFT JOIN campaigns.import_undos AS undo ON undo.import_id = import.id
         WHERE import.campaign_id = $1 AND import.id = $2
        """,
        campaign_id,
        import_id,
    )
    return _import(row) if row else None


async def list_after(
    conn: Connection, campaign_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Import]:
    """Newest first."""
    rows = await conn.fetch(
        """
        SELECT import.id, import.campaign_id, import.source, import.default_region, import.total_rows,
               import.accepted, import.duplicates, import.rejected, import.created_at,
               undo.removed, undo.withdrawn, undo.kept, undo.undone_at
          FROM campaigns.imports AS import
          LEFT JOIN campaigns.import_undos AS undo ON undo.import_id = import.id
         WHERE import.campaign_id = $1
           AND ($2::timestamptz IS NULL OR (import.created_at, import.id) < ($2, $3::uuid))
         ORDER BY import.created_at DESC, import.id DESC
         LIMIT $4
        """,
        campaign_id,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )
    return [_import(row) for row in rows]


async def remove_contacts(conn: Connection, import_id: UUID) -> int:
    """Deletes those on whom nothing was decided yet. Of a locked campaign."""
    status: str = await conn.execute(
        """
        DELETE FROM campaigns.contacts AS contact
         WHERE contact.org_id = (SELECT org_id FROM campaigns.imports WHERE id = $1)
           AND contact.import_id = $1 AND contact.status = 'PENDING' AND contact.attempts = 0
           AND NOT EXISTS (SELECT FROM campaigns.attempts WHERE attempts.contact_id = contact.id)
           AND NOT EXISTS (SELECT FROM campaigns.verdicts WHERE verdicts.contact_id = contact.id)
        """,
        import_id,
    )
    return int(status.removeprefix("DELETE "))


async def withdraw_contacts(conn: Connection, import_id: UUID) -> int:
    """Of those that are left: passes over for good whoever was never dialed. An attempt that used up none is
    none."""
    status: str = await conn.execute(
        """
        UPDATE campaigns.contacts AS contact
           SET status = 'SKIPPED', reason = 'IMPORT_UNDONE', next_attempt_at = NULL, updated_at = now()
         WHERE contact.org_id = (SELECT org_id FROM campaigns.imports WHERE id = $1)
           AND contact.import_id = $1 AND contact.status = 'PENDING' AND contact.attempts = 0
        """,
        import_id,
    )
    return int(status.removeprefix("UPDATE "))


async def insert_undo(conn: Connection, found: Import, *, org_id: UUID, removed: int, withdrawn: int) -> Undo:
    row = await conn.fetchrow(
        """
        INSERT INTO campaigns.import_undos (import_id, org_id, campaign_id, removed, withdrawn, kept)
        VALUES ($1, $2, $3, $4, $5, $6)
        RETURNING removed, withdrawn, kept, undone_at
        """,
        found.id,
        org_id,
        found.campaign_id,
        removed,
        withdrawn,
        max(found.accepted - removed - withdrawn, 0),
    )
    return Undo(**existing(row))
