"""What organizations decide about their calls."""

from collections.abc import Collection, Mapping
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call_settings import CallSettings
from services.calls.domain.redaction import PiiKind, Redaction


async def find(conn: Connection, *, org_id: UUID) -> CallSettings | None:
    row = await conn.fetchrow(
        "SELECT redacted, version, updated_at FROM calls.call_settings WHERE org_id = $1", org_id
    )
    if row is None:
        return None
    return CallSettings(
        redacted=_kinds(row["redacted"]), version=row["version"], updated_at=row["updated_at"]
    )


async def redactions(conn: Connection, org_ids: Collection[UUID]) -> Mapping[UUID, Redaction]:
    """Of those that want something redacted."""
    rows = await conn.fetch(
        """
        SELECT org_id, redacted
          FROM calls.call_settings
         WHERE org_id = ANY($1::uuid[]) AND redacted <> '{}'
        """,
        list(org_ids),
    )
    return {row["org_id"]: _kinds(row["redacted"]) for row in rows}


async def save(conn: Connection, *, org_id: UUID, redacted: Redaction, version: int | None) -> bool:
    """False if the settings are not at this version any more; None stands for whatever is current."""
    saved = await conn.fetchval(
        """
        INSERT INTO calls.call_settings AS settings (org_id, redacted)
        SELECT $1, $2::text[]
         WHERE coalesce($3, 0) = 0 OR EXISTS (SELECT FROM calls.call_settings WHERE org_id = $1)
            ON CONFLICT ON CONSTRAINT call_settings_pkey DO UPDATE
           SET redacted = excluded.redacted, version = settings.version + 1, updated_at = now()
         WHERE $3::bigint IS NULL OR settings.version = $3
        RETURNING true
        """,
        org_id,
        sorted(redacted),
        version,
    )
    return saved or False


def _kinds(words: Collection[str]) -> Redaction:
    return frozenset(map(PiiKind, words))
