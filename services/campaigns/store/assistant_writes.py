"""Writes of assistants on their way to the provider: one at a time, and what was last written."""

from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import drift
from services.campaigns.domain.assistants import Content


async def begin(
    conn: Connection, assistant_id: UUID, content: Content, *, revision: int, within_seconds: float
) -> bool:
    """Notes what is about to be written to the provider. False if it is gone or changed, or another write
    began less than `within_seconds` ago and has not ended."""
    begun: bool | None = await conn.fetchval(
        """
        UPDATE campaigns.assistants
           SET written_name = $3, written_config = $4, writing_at = clock_timestamp()
         WHERE id = $1 AND revision = $2 AND deleted_at IS NULL
           AND (writing_at IS NULL OR writing_at < clock_timestamp() - make_interval(secs => $5))
        RETURNING true
        """,
        assistant_id,
        revision,
        content.name,
        dict(content.config),
        within_seconds,
    )
    return begun or False


async def is_under_way(conn: Connection, assistant_id: UUID, *, within_seconds: float) -> bool:
    """Whether a write began less than `within_seconds` ago and has not ended."""
    writing: bool | None = await conn.fetchval(
        """
        SELECT writing_at >= clock_timestamp() - make_interval(secs => $2)
          FROM campaigns.assistants
         WHERE id = $1
        """,
        assistant_id,
        within_seconds,
    )
    return writing or False


async def end(conn: Connection, assistant_id: UUID, *, last_written: Content, known: Content) -> None:
    """After a write that changed nothing here: what the provider may have now is `last_written`."""
    await conn.execute(
        """
        UPDATE campaigns.assistants
           SET written_name = $2, written_config = $3, writing_at = NULL
         WHERE id = $1
        """,
        assistant_id,
        *columns(known, last_written),
    )


def columns(content: Content, at_provider: Content) -> tuple[str | None, dict[str, Any] | None]:
    """`written_name` and `written_config`: kept only where the provider has something else than we have."""
    if drift.same(content, at_provider):
        return None, None
    return at_provider.name, dict(at_provider.config)
