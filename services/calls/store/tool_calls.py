"""Uses of tools. The row is the claim: who inserts it runs the tool, everybody else reads what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Call
from services.calls.domain.tools import ToolCall, ToolResult, ToolUse


@dataclass(frozen=True, slots=True, kw_only=True)
class RanTool:
    tool_call_id: str
    result: ToolResult
    duration_ms: float


async def claim(
    conn: Connection, uses: Sequence[ToolUse], *, org_id: UUID, provider: str, provider_call_id: str
) -> frozenset[str]:
    """The ids that nobody ran before; waits for a transaction that is just running one of them."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.tool_calls (
               org_id, provider, provider_call_id, tool_call_id, ordinal, name, arguments)
        SELECT $1, $2, $3, tool_call_id, ordinal, name, arguments
          FROM unnest($4::text[], $5::text[], $6::jsonb[]) WITH ORDINALITY
               AS use (tool_call_id, name, arguments, ordinal)
         ORDER BY tool_call_id
            ON CONFLICT ON CONSTRAINT tool_calls_use_unique DO NOTHING
        RETURNING tool_call_id
        """,
        org_id,
        provider,
        provider_call_id,
        [use.id for use in uses],
        [use.name for use in uses],
        [use.arguments or {} for use in uses],
    )
    return frozenset(row["tool_call_id"] for row in rows)


async def record(
    conn: Connection, ran: Sequence[RanTool], *, org_id: UUID, provider: str, provider_call_id: str
) -> None:
    await conn.execute(
        """
        UPDATE calls.tool_calls AS tool_call
           SET result = ran.result, status = ran.status, duration_ms = ran.duration_ms
          FROM unnest($4::text[], $5::text[], $6::text[], $7::double precision[])
               AS ran (tool_call_id, result, status, duration_ms)
         WHERE tool_call.org_id = $1 AND tool_call.provider = $2 AND tool_call.provider_call_id = $3
           AND tool_call.tool_call_id = ran.tool_call_id
        """,
        org_id,
        provider,
        provider_call_id,
        [one.tool_call_id for one in ran],
        [one.result.text for one in ran],
        ["SUCCEEDED" if one.result.succeeded else "FAILED" for one in ran],
        [one.duration_ms for one in ran],
    )


async def find_results(
    conn: Connection, tool_call_ids: Sequence[str], *, org_id: UUID, provider: str, provider_call_id: str
) -> Mapping[str, ToolResult]:
    rows = await conn.fetch(
        """
        SELECT tool_call_id, result, status
          FROM calls.tool_calls
         WHERE org_id = $1 AND provider = $2 AND provider_call_id = $3 AND tool_call_id = ANY($4::text[])
        """,
        org_id,
        provider,
        provider_call_id,
        list(tool_call_ids),
    )
    return {
        row["tool_call_id"]: ToolResult(succeeded=row["status"] == "SUCCEEDED", text=row["result"])
        for row in rows
    }


async def find_last_result(
    conn: Connection, name: str, *, org_id: UUID, provider: str, provider_call_id: str
) -> str | None:
    """Of the tool's last use in the call that succeeded."""
    result: str | None = await conn.fetchval(
        """
        SELECT result
          FROM calls.tool_calls
         WHERE org_id = $1 AND provider = $2 AND provider_call_id = $3 AND name = $4 AND status = 'SUCCEEDED'
         ORDER BY executed_at DESC, ordinal DESC
         LIMIT 1
        """,
        org_id,
        provider,
        provider_call_id,
        name,
    )
    return result


async def list_of_call(conn: Connection, call: Call, *, limit: int) -> list[ToolCall]:
    """In the order in which they were asked for."""
    rows = await conn.fetch(
        """
        SELECT id, tool_call_id, name, arguments, result, status, executed_at, duration_ms
          FROM calls.tool_calls
         WHERE org_id = $1 AND provider = $2 AND provider_call_id = $3 AND status IS NOT NULL
         ORDER BY executed_at, ordinal, id
         LIMIT $4
        """,
        call.org_id,
        call.provider,
        call.provider_call_id,
        limit,
    )
    return [ToolCall(**row) for row in rows]
