"""How intake and reads change as tables grow: nothing stored, then a million events, then ten million.

What is loaded looks as if it had been taken in and folded weeks ago: its transaction ids are older than the
folder's cursor. Bodies are short, so that ten million events need some ten gigabytes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from deploy.bench.database import Database, connected
from deploy.bench.figures import medians
from deploy.bench.measuring import Figures, Measuring
from deploy.bench.queries import timed_queries
from deploy.bench.rounds import LOADS, WARM_UP, problems_of
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

EVENTS_MAX = 10_000_000
STEPS = (0, 1_000_000, 10_000_000)
REPEATS = 3
EVENTS_PER_CALL = 20
_CALLS_PER_STATEMENT = 5_000
_LOADERS = 2
_LOADS = tuple(load for load in LOADS if load.name in ("gateway_maximum", "gateway_fixed_rate"))
_TABLES = ("provider_events", "provider_event_keys", "calls", "call_events", "leads")

# One statement fills all tables with the calls numbered $2 to $3, spread over the last 25 days. Triggers and
# foreign keys are off in this session: everything that is referred to is in the same statement.
_LOAD = """
WITH call AS MATERIALIZED (
    SELECT number, uuidv7(begun_at - now()) AS id, md5('call ' || number)::uuid::text AS provider_call_id,
           begun_at, CASE number % 50 WHEN 0 THEN 'FAILED' WHEN 1 THEN 'CANCELED' ELSE 'ENDED' END AS status,
           CASE WHEN number % 4 = 0 THEN 'OUTBOUND' ELSE 'INBOUND' END AS direction
      FROM (SELECT number, now() - interval '25 days'
                   + interval '24 days' * (number::float8 / $4::float8) AS begun_at
              FROM generate_series($2::bigint, $3::bigint) AS number) AS numbered
), event AS MATERIALIZED (
    SELECT call.number, call.id AS call_id, call.provider_call_id, turn,
           uuidv7(call.begun_at + turn * interval '3 seconds' - now()) AS id,
           call.begun_at + turn * interval '3 seconds' AS received_at,
           CASE turn WHEN 1 THEN 'status-update' WHEN 20 THEN 'end-of-call-report'
                     ELSE (ARRAY['speech-update', 'transcript', 'conversation-update'])[1 + turn % 3]
           END AS type
      FROM call, generate_series(1, 20) AS turn
), filled_calls AS (
    INSERT INTO calls.calls (
           id, org_id, provider, provider_call_id, direction, status, outcome, customer_number, customer_name,
           campaign_id, ended_reason, summary, priority, sla_seconds, started_at, ended_at, duration_seconds,
           cost_usd, last_status_at, connected, reported_at, transcript_source, transcript_lines, facts,
           created_at, updated_at)
    SELECT id, $1, 'vapi', provider_call_id, direction, status, 'HUMAN',
           '+1438' || lpad((number % 200000)::text, 7, '0'), 'Customer ' || number % 200000,
           CASE WHEN direction = 'OUTBOUND' THEN md5('campaign ' || number % 400)::uuid::text ELSE '' END,
           'customer-ended-call', repeat('Water in the basement. ', 8), 'P' || 1 + number % 4, 3600, begun_at,
           begun_at + interval '60 seconds', 60, 0.1234, begun_at + interval '60 seconds', true,
           begun_at + interval '61 seconds', 'REPORT', 0,
           jsonb_build_object('status', jsonb_build_array(3, 1, status), 'ended_reason',
                              jsonb_build_array(3, 1, 'customer-ended-call')),
           begun_at, begun_at + interval '61 seconds'
      FROM call
), filled_leads AS (
    INSERT INTO calls.leads (
           org_id, call_id, last_call_id, customer_number, service_type, priority, sla_seconds, sla_due_at,
           status, source, created_at)
    SELECT $1, id, id, '+1438' || lpad((number % 200000)::text, 7, '0'), 'debouchage', 'P2', 3600, begun_at,
           'WON', 'call', begun_at
      FROM call WHERE number % 5 = 0
), filled_keys AS (
    INSERT INTO calls.provider_event_keys (source_id, dedupe_key, org_id, received_at)
    SELECT $1, decode(md5(provider_call_id || ' ' || turn), 'hex'), $1, received_at FROM event
), filled_ledger AS (
    INSERT INTO calls.provider_events (
           id, org_id, source_id, provider, type, provider_call_id, body, received_at, stored_at, traceparent,
           xid)
    SELECT id, $1, $1, 'vapi', type, provider_call_id,
           convert_to(json_build_object('message', json_build_object('type', type, 'turn', turn, 'call',
                      json_build_object('id', provider_call_id)))::text, 'UTF8'),
           received_at, received_at, '', '3'::xid8
      FROM event
)
INSERT INTO calls.call_events (
       id, org_id, call_id, provider_event_id, type, occurred_at, received_at, payload)
SELECT id, $1, call_id, id, type, received_at, received_at,
       jsonb_build_object('type', type, 'turn', turn)
  FROM event
"""


async def run(running: RunningStack, *, events_max: int, tell: Tell) -> dict[str, Any]:
    """The section `growth` of the result."""
    database = Database.of(running)
    measured: list[dict[str, Any]] = []
    async with connected(database) as conn:
        measuring = Measuring(running, conn, plain=None, tell=tell)
        await measuring.measure(WARM_UP)
        loaded = 0
        for events in steps(events_max):
            tell(f"  {events:,} events loaded before")
            seconds = await _load(database, since=loaded, until=events, total=events_max)
            loaded = events
            measured.append(
                {
                    "events": events,
                    "loaded_in_seconds": seconds,
                    "database_bytes": await conn.fetchval("SELECT pg_database_size(current_database())"),
                    **await _measured(measuring),
                    "queries_ms": await timed_queries(running, tell=tell),
                }
            )
    return {
        "problems": [problem for step in measured for problem in step.pop("problems")],
        "events_per_call": EVENTS_PER_CALL,
        "steps": measured,
    }


def steps(events_max: int) -> list[int]:
    """How many events there are each time something is measured."""
    return sorted({*(step for step in STEPS if step <= events_max), events_max})


async def _measured(measuring: Measuring) -> Figures:
    found: dict[str, Any] = {"problems": []}
    for load in _LOADS:
        repeats = [await measuring.measure(load) for _ in range(REPEATS)]
        found[load.name] = medians(repeats)
        found["problems"] += [f"growth: {text}" for one in repeats for text in problems_of(one)]
    return found


async def _load(database: Database, *, since: int, until: int, total: int) -> float:
    """Adds events until there are so many, in two sessions, and leaves the tables as autovacuum would."""
    begun = time.monotonic()
    if until == since:
        return 0.0
    first, last = since // EVENTS_PER_CALL, until // EVENTS_PER_CALL
    pieces = iter(range(first, last, _CALLS_PER_STATEMENT))

    async def load() -> None:
        async with connected(database) as conn:
            org_id = await conn.fetchval("SELECT id FROM gateway.organizations ORDER BY created_at LIMIT 1")
            await conn.execute("SET session_replication_role = replica")
            statement = await conn.prepare(_LOAD)
            for piece in pieces:
                end = min(piece + _CALLS_PER_STATEMENT, last)
                await statement.fetch(org_id, piece, end - 1, total / EVENTS_PER_CALL)

    await asyncio.gather(*(load() for _ in range(_LOADERS)))
    async with connected(database) as conn:
        for table in _TABLES:
            await conn.execute(f"VACUUM ANALYZE calls.{table}")
        await conn.execute("CHECKPOINT")
    return round(time.monotonic() - begun, 1)
