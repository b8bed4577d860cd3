"""What assistants were; see `assistants` for how versions are added."""

from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.assistants import AssistantVersion


async def find(conn: Connection, assistant_id: UUID, *, version: int) -> AssistantVersion | None:
    row = await conn.fetchrow(
        """
        SELECT version, name, config, created_at, restored_version
          FROM campaigns.assistant_versions
         WHERE assistant_id = $1 AND version = $2
        """,
        assistant_id,
        version,
    )
    return AssistantVersion(**row) if row else None


async def list_before(
    conn: Connection, assistant_id: UUID, *, before: int | None, limit: int
) -> list[AssistantVersion]:
    """Newest first."""
    rows = await conn.fetch(
        """
        SELECT version, name, config, created_at, restored_version
          FROM campaigns.assistant_versions
         WHERE assistant_id = $1 AND ($2::bigint IS NULL OR version < $2)
         ORDER BY version DESC
         LIMIT $3
        """,
        assistant_id,
        before,
        limit,
    )
    return [AssistantVersion(**row) for row in rows]
