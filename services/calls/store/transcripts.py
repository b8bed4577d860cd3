"""The lines of conversations. A call's lines lie in the month of the call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Call
from services.calls.domain.transcript import LINES_MAX, Line, Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    org_id: UUID
    call_id: UUID
    call_created_at: Any
    line_no: int
    source: str
    role: str
    message: str
    seconds_from_start: float | None
    spoken_at: Any
    confidence: float | None
    metadata: Mapping[str, Any] | None


async def write(conn: Connection, tellings: Sequence[tuple[Call, Telling]]) -> None:
    """Makes these the lines of their calls: lines of another source go, and so do those beyond the end,
    except that live lines are added to one another."""
    await conn.execute(
        """
        DELETE FROM calls.transcripts AS line
         USING unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[])
               AS told (call_id, call_created_at, source, lines)
         WHERE line.call_id = told.call_id AND line.call_created_at = told.call_created_at
           AND (line.source <> told.source OR (told.source <> 'LIVE' AND line.line_no >= told.lines))
        """,
        [call.id for call, _ in tellings],
        [call.created_at for call, _ in tellings],
        [telling.source.value for _, telling in tellings],
        [len(telling.lines) for _, telling in tellings],
    )
    await add(conn, tellings)


async def add(conn: Connection, tellings: Sequence[tuple[Call, Telling]]) -> None:
    """Adds lines to calls that have lines of the same source, or none."""
    await conn.execute(
        """
        INSERT INTO calls.transcripts AS line (
               org_id, call_id, call_created_at, line_no, source, role, message, seconds_from_start,
               spoken_at, confidence, metadata)
        SELECT org_id, call_id, call_created_at, line_no, source, role, message, seconds_from_start,
               spoken_at, confidence, metadata
          FROM jsonb_populate_recordset(NULL::calls.transcripts, $1)
            ON CONFLICT ON CONSTRAINT transcripts_pkey DO UPDATE
           SET source = excluded.source, role = excluded.role, message = excluded.message,
               seconds_from_start = excluded.seconds_from_start, spoken_at = excluded.spoken_at,
               confidence = excluded.confidence, metadata = excluded.metadata
         WHERE (line.role, line.message, line.seconds_from_start, line.spoken_at, line.confidence,
               line.metadata)
               IS DISTINCT FROM (excluded.role, excluded.message, excluded.seconds_from_start,
               excluded.spoken_at, excluded.confidence, excluded.metadata)
        """,
        [_row(call, telling, line) for call, telling in tellings for line in telling.lines],
    )


async def clear(conn: Connection, calls: Sequence[Call]) -> None:
    """Removes all lines of these calls."""
    await conn.execute(
        """
        DELETE FROM calls.transcripts AS line
         USING unnest($1::uuid[], $2::timestamptz[]) AS cleared (call_id, call_created_at)
         WHERE line.call_id = cleared.call_id AND line.call_created_at = cleared.call_created_at
        """,
        [call.id for call in calls],
        [call.created_at for call in calls],
    )


async def list_of_calls(conn: Connection, calls: Sequence[Call]) -> Mapping[UUID, list[tuple[str, Line]]]:
    """The lines of these calls in their order, each with its source."""
    rows = await conn.fetch(
        """
        SELECT line.call_id, line.source, line.line_no, line.role, line.message, line.seconds_from_start,
               line.spoken_at, line.confidence, line.metadata
          FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (call_id, call_created_at)
          JOIN calls.transcripts AS line USING (call_id, call_created_at)
         ORDER BY line.call_id, line.line_no
        """,
        [call.id for call in calls],
        [call.created_at for call in calls],
    )
    found: dict[UUID, list[tuple[str, Line]]] = {call.id: [] for call in calls}
    for row in rows:
        fields = dict(row)
        found[fields.pop("call_id")].append((fields.pop("source"), Line(**fields)))
    return found


async def list_lines(conn: Connection, call: Call) -> list[Line]:
    """Oldest first."""
    rows = await conn.fetch(
        """
        SELECT line_no, role, message, seconds_from_start, spoken_at, confidence, metadata
          FROM calls.transcripts
         WHERE call_id = $1 AND call_created_at = $2
         ORDER BY line_no
         LIMIT $3
        """,
        call.id,
        call.created_at,
        LINES_MAX,
    )
    return [Line(**row) for row in rows]


async def summaries(conn: Connection, calls: Sequence[Call]) -> Mapping[UUID, tuple[int, str]]:
    """For each call with lines: how many, and what the other party said."""
    rows = await conn.fetch(
        """
        SELECT line.call_id, count(*)::integer AS lines,
               coalesce(left(string_agg(line.message, E'\\n' ORDER BY line.line_no)
                             FILTER (WHERE line.role = 'USER'), 50000), '') AS said
          FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (call_id, call_created_at)
          JOIN calls.transcripts AS line USING (call_id, call_created_at)
         GROUP BY line.call_id
        """,
        [call.id for call in calls],
        [call.created_at for call in calls],
    )
    return {row["call_id"]: (row["lines"], row["said"]) for row in rows}


def _row(call: Call, telling: Telling, line: Line) -> _Row:
    return _Row(
        org_id=call.org_id,
        call_id=call.id,
        call_created_at=call.created_at,
        line_no=line.line_no,
        source=telling.source.value,
        role=line.role,
        message=line.message,
        seconds_from_start=line.seconds_from_start,
        spoken_at=line.spoken_at,
        confidence=line.confidence,
        metadata=line.metadata,
    )
