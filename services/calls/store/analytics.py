"""Figures of calls and events, as they were when they were refreshed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from libs.pg import Connection
from services.calls.domain.analytics import AssistantFigures, CallAnalytics, Figures, HourFigures

_FIGURES: Final = tuple(one.name for one in fields(Figures))
# Of one organization; more would be a mistake somewhere.
_GROUPS_MAX: Final = 20_000
# Of all organizations, and how long counting may take.
_COUNTS_MAX: Final = 200_000
_COUNT_SECONDS_MAX: Final = 60.0


async def read(
    conn: Connection,
    *,
    since: datetime | None,
    until: datetime | None,
    direction: str | None,
    assistant_id: str | None,
) -> CallAnalytics:
    """Of the organization of the transaction."""
    rows = await conn.fetch(
        """
        SELECT grouping(hour, day, provider_assistant_id, service_type) AS grouped,
               hour, day, assistant_id, provider_assistant_id, service_type,
               sum(total)::integer AS total, sum(active)::integer AS active,
               sum(completed)::integer AS completed, sum(failed)::integer AS failed,
               sum(abandoned)::integer AS abandoned, sum(urgent)::integer AS urgent,
               sum(connected)::integer AS connected, sum(answered)::integer AS answered,
               sum(evaluated)::integer AS evaluated, sum(successful)::integer AS successful,
               sum(timed)::integer AS timed, sum(duration_seconds)::double precision AS duration_seconds,
               sum(cost_usd) AS cost_usd, sum(transcribed)::integer AS transcribed,
               sum(transcript_lines)::bigint AS transcript_lines
          FROM (SELECT *, (hour AT TIME ZONE 'UTC')::date AS day
                  FROM calls.call_figures
                 WHERE ($1::timestamptz IS NULL OR hour >= date_trunc('hour', $1, 'UTC'))
                   AND ($2::timestamptz IS NULL OR hour < $2)
                   AND ($3::text IS NULL OR direction = $3)
                   AND ($4::text IS NULL OR assistant_id = $4 OR provider_assistant_id = $4)) AS wanted
         GROUP BY GROUPING SETS (
               (), (hour), (day), (assistant_id, provider_assistant_id), (service_type), (hour, service_type))
         ORDER BY hour, day, total DESC, provider_assistant_id, service_type
         LIMIT $5
        """,
        since,
        until,
        direction,
        assistant_id,
        _GROUPS_MAX,
    )
    events = await conn.fetch(
        """
        SELECT type, sum(total)::integer AS total
          FROM calls.event_figures
         WHERE ($1::timestamptz IS NULL OR hour >= date_trunc('hour', $1, 'UTC'))
           AND ($2::timestamptz IS NULL OR hour < $2)
         GROUP BY type
         ORDER BY type
        """,
        since,
        until,
    )
    refreshed_at = await conn.fetchval("SELECT min(refreshed_at) FROM calls.figure_refreshes")
    return _analytics(rows, events=[(row["type"], row["total"]) for row in events], refreshed_at=refreshed_at)


async def count_calls(conn: Connection) -> list[dict[str, Any]]:
    """Of every organization, the last seven days, as rows of `call_counts`. Only reads: readers of the logs
    wait for transactions that write, and this may take its time."""
    rows = await conn.fetch(
        """
        SELECT org_id, date_trunc('hour', created_at, 'UTC') AS hour, direction, assistant_id,
               provider_assistant_id, service_type,
               count(*) AS total,
               count(*) FILTER (WHERE status IN ('QUEUED', 'RINGING', 'IN_PROGRESS')) AS active,
               count(*) FILTER (WHERE status = 'ENDED') AS completed,
               count(*) FILTER (WHERE status = 'FAILED') AS failed,
               count(*) FILTER (WHERE status IN ('CANCELED', 'TIMEOUT')) AS abandoned,
               count(*) FILTER (WHERE priority = 'P1') AS urgent,
               count(*) FILTER (WHERE connected) AS connected,
               count(*) FILTER (WHERE outcome = 'HUMAN') AS answered,
               count(*) FILTER (WHERE success_evaluation IS NOT NULL) AS evaluated,
               count(*) FILTER (WHERE success_evaluation) AS successful,
               count(duration_seconds) AS timed,
               coalesce(sum(duration_seconds), 0) AS duration_seconds,
               coalesce(sum(cost_usd), 0) AS cost_usd,
               count(*) FILTER (WHERE transcript_lines > 0) AS transcribed,
               coalesce(sum(transcript_lines), 0) AS transcript_lines
          FROM calls.calls
         WHERE created_at >= date_trunc('hour', now(), 'UTC') - interval '7 days'
         GROUP BY org_id, hour, direction, assistant_id, provider_assistant_id, service_type
         LIMIT $1
        """,
        _COUNTS_MAX,
        timeout=_COUNT_SECONDS_MAX,
    )
    return [dict(row) for row in rows]


async def count_events(conn: Connection) -> list[dict[str, Any]]:
    """As `count_calls`, what was said about calls and leads, as rows of `event_counts`."""
    rows = await conn.fetch(
        """
        SELECT org_id, date_trunc('hour', time, 'UTC') AS hour, type, count(*) AS total
          FROM calls.outbox
         WHERE time >= date_trunc('hour', now(), 'UTC') - interval '7 days'
         GROUP BY org_id, hour, type
         LIMIT $1
        """,
        _COUNTS_MAX,
        timeout=_COUNT_SECONDS_MAX,
    )
    return [dict(row) for row in rows]


async def allow_long_counts(conn: Connection) -> None:
    """For this transaction."""
    limit = f"{int(_COUNT_SECONDS_MAX * 1000)}ms"
    await conn.execute("SELECT set_config('statement_timeout', $1, true)", limit)


async def replace_counts(
    conn: Connection, *, calls: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    """All counts by these, and the figures with them. Readers go on reading the figures as they were."""
    await conn.execute("DELETE FROM calls.call_counts")
    await conn.execute(
        """
        INSERT INTO calls.call_counts
        SELECT * FROM jsonb_populate_recordset(NULL::calls.call_counts, $1)
        """,
        calls,
    )
    await conn.execute("DELETE FROM calls.event_counts")
    await conn.execute(
        """
        INSERT INTO calls.event_counts
        SELECT * FROM jsonb_populate_recordset(NULL::calls.event_counts, $1)
        """,
        events,
    )
    await conn.execute("SELECT calls.refresh_figures()")


# What `grouping` answers: a bit for each of the four that a row is not of.
_TOTAL, _HOUR, _DAY, _ASSISTANT, _SERVICE, _HOUR_AND_SERVICE = 0b1111, 0b0111, 0b1011, 0b1101, 0b1110, 0b0110


def _analytics(
    rows: list[Any], *, events: list[tuple[str, int]], refreshed_at: datetime | None
) -> CallAnalytics:
    grouped: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        grouped[row["grouped"]].append(row)
    services: dict[datetime, dict[str, int]] = defaultdict(dict)
    for row in grouped[_HOUR_AND_SERVICE]:
        services[row["hour"]][row["service_type"]] = row["total"]
    # Over no rows at all there is one total, of nothing.
    [total] = grouped[_TOTAL]
    return CallAnalytics(
        total=_figures(total) if total["total"] is not None else Figures(),
        hours=[
            HourFigures(hour=row["hour"], figures=_figures(row), service_types=services[row["hour"]])
            for row in grouped[_HOUR]
        ],
        days=[(row["day"], _figures(row)) for row in grouped[_DAY]],
        assistants=[
            AssistantFigures(
                assistant_id=row["assistant_id"],
                provider_assistant_id=row["provider_assistant_id"],
                figures=_figures(row),
            )
            for row in grouped[_ASSISTANT]
        ],
        service_types=[(row["service_type"], _figures(row)) for row in grouped[_SERVICE]],
        events=events,
        refreshed_at=refreshed_at,
    )


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(**{name: row[name] for name in _FIGURES})
