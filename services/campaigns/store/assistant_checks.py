"""Assistants as the loops look after them: whether the provider still has them, and which may go by
themselves."""

from collections.abc import Sequence
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.assistants import GONE_AT_PROVIDER, ExistenceCheck


async def claim_due(conn: Connection, *, limit: int, again_in_seconds: float) -> list[ExistenceCheck]:
    """Takes assistants that are due; one whose check does not end comes up again."""
    rows = await conn.fetch(
        """
        UPDATE campaigns.assistants
           SET check_at = clock_timestamp() + make_interval(secs => $2)
         WHERE id IN (SELECT id FROM campaigns.assistants
                       WHERE check_at <= clock_timestamp() AND deleted_at IS NULL AND source <> 'TEMPLATE'
                       ORDER BY check_at
                       LIMIT $1
                         FOR UPDATE SKIP LOCKED)
        RETURNING id AS assistant_id, org_id, provider_assistant_id, missing_at IS NOT NULL AS missed_before
        """,
        limit,
        again_in_seconds,
    )
    return [ExistenceCheck(**row) for row in rows]


async def note_present(conn: Connection, assistant_id: UUID) -> bool:
    """Whether it had been taken for gone, and is active again."""
    returned: bool | None = await conn.fetchval(
        """
        WITH was AS (SELECT inactive_reason = $2 AS gone FROM campaigns.assistants WHERE id = $1 FOR UPDATE)
        UPDATE campaigns.assistants
           SET checked_at = clock_timestamp(), missing_at = NULL, active = active OR was.gone,
               inactive_reason = CASE WHEN was.gone THEN '' ELSE inactive_reason END,
               revision = revision + CASE WHEN was.gone THEN 1 ELSE 0 END
          FROM was
         WHERE id = $1
        RETURNING was.gone
        """,
        assistant_id,
        GONE_AT_PROVIDER,
    )
    return returned or False


async def note_missing(conn: Connection, assistant_id: UUID, *, again_in_seconds: float) -> None:
    await conn.execute(
        """
        UPDATE campaigns.assistants
           SET missing_at = coalesce(missing_at, clock_timestamp()),
               check_at = clock_timestamp() + make_interval(secs => $2)
         WHERE id = $1
        """,
        assistant_id,
        again_in_seconds,
    )


async def note_gone(conn: Connection, assistant_id: UUID) -> bool:
    """Switches it off; False if it was off already."""
    changed: bool | None = await conn.fetchval(
        """
        UPDATE campaigns.assistants
           SET active = false, inactive_reason = $2, revision = revision + 1, updated_at = now()
         WHERE id = $1 AND active AND deleted_at IS NULL
        RETURNING true
        """,
        assistant_id,
        GONE_AT_PROVIDER,
    )
    return changed or False


async def list_campaigns_started(conn: Connection, assistant_id: UUID, *, limit: int) -> Sequence[UUID]:
    rows = await conn.fetch(
        """
        SELECT id
          FROM campaigns.campaigns
         WHERE assistant_id = $1 AND status IN ('QUEUED', 'DIALING', 'RUNNING', 'PAUSED')
         ORDER BY id
         LIMIT $2
        """,
        assistant_id,
        limit,
    )
    return [row["id"] for row in rows]


async def list_ephemeral(conn: Connection, *, idle_seconds: float, limit: int) -> Sequence[UUID]:
    """Old enough to go, and of no campaign that is not over, or was over only just now."""
    rows = await conn.fetch(
        """
        SELECT id
          FROM campaigns.assistants AS assistant
         WHERE ephemeral AND deleted_at IS NULL
           AND created_at < clock_timestamp() - make_interval(secs => $1)
           AND NOT EXISTS (
               SELECT FROM campaigns.campaigns
                WHERE campaigns.org_id = assistant.org_id AND campaigns.assistant_id = assistant.id
                  AND (status NOT IN ('COMPLETED', 'CANCELED', 'FAILED')
                       OR updated_at > clock_timestamp() - make_interval(secs => $1)))
         ORDER BY created_at
         LIMIT $2
        """,
        idle_seconds,
        limit,
    )
    return [row["id"] for row in rows]
