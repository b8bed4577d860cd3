"""Plans of the store's own statements, on tables that PostgreSQL takes for a million calls.

Loading a million rows would take longer than all tests of the service together. 10,000 calls are real, with
what belongs to them; then the catalog is told that tables and indexes hold a hundred times as many rows,
which is what the planner knows about size. How values are distributed follows from the real rows.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec

from tests.support.postgres import Database

CALLS = 10_000
TIMES = 100
_SCHEMAS = frozenset({"calls", "campaigns"})
# Tables that hold a handful of rows however many calls there are.
SMALL = frozenset({"foldings", "lines", "provider_accounts"})

_FILL = """
SET session_replication_role = replica;
CREATE TEMPORARY TABLE numbered ON COMMIT PRESERVE ROWS AS
SELECT number, uuidv7(created_at - now()) AS id, md5('call ' || number)::uuid::text AS provider_call_id,
       created_at,
       CASE WHEN number % 5000 = 7 THEN 'TIMEOUT' WHEN number % 200 = 3 THEN 'FAILED'
            WHEN number % 1000 = 5 THEN 'IN_PROGRESS' ELSE 'ENDED' END AS status
  FROM (SELECT number, date_trunc('month', now()) - interval '10 days'
                       + number * interval '20 days' / {calls} AS created_at
          FROM generate_series(1, {calls}) AS number) AS numbers;
INSERT INTO calls.calls (
       id, org_id, provider, provider_call_id, direction, status, customer_number, campaign_id, ended_at,
       priority, sla_seconds, last_status_at, facts, placement, placement_requested_at, reported_at,
       cost_usd, created_at, updated_at)
SELECT id, '{org}', 'vapi', provider_call_id, CASE WHEN number % 500 = 1 THEN 'OUTBOUND' ELSE 'INBOUND' END,
       status, '+1438' || lpad((number % 4000)::text, 7, '0'),
       CASE WHEN number % 500 = 1 THEN md5('campaign ' || number % 4)::uuid::text ELSE '' END,
       CASE WHEN status <> 'IN_PROGRESS' THEN created_at END,
       CASE WHEN number % 1000 = 9 THEN 'P1' ELSE 'P3' END, 3600, created_at, '{{}}',
       CASE WHEN number % 5000 = 1 THEN 'UNKNOWN' WHEN number % 500 = 1 THEN 'PLACED' END, created_at,
       CASE WHEN number % 1000 <> 11 THEN created_at END, 0.1, created_at, created_at
  FROM numbered;
INSERT INTO calls.own_facts (
       call_id, org_id, provider, provider_call_id, created_at, direction, assistant_id,
       provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number, customer_name,
       placement_reason, placement_infrastructure, placement_retry_after_seconds, priority_reason)
SELECT id, '{org}', 'vapi', provider_call_id, created_at, 'INBOUND', '', '', '', '', '', '', '', '', false,
       0, ''
  FROM numbered;
INSERT INTO calls.provider_events (
       id, org_id, source_id, provider, type, provider_call_id, body, received_at, traceparent, xid)
SELECT uuidv7(created_at - now()), '{org}', '{org}', 'vapi',
       CASE WHEN number % 2000 = 1 AND turn = 4 THEN 'assistant-request'
            ELSE (ARRAY['status-update', 'transcript', 'conversation-update', 'speech-update'])[turn] END,
       provider_call_id, '{{}}', created_at + turn * interval '1 second', '',
       CASE WHEN number > {calls} - 3 THEN '1000000000' ELSE '3' END::xid8
  FROM numbered, generate_series(1, 4) AS turn;
INSERT INTO calls.call_events (
       org_id, call_id, provider_event_id, type, occurred_at, received_at, payload)
SELECT entry.org_id, numbered.id, entry.id, entry.type, entry.received_at, entry.received_at, '{{}}'
  FROM calls.provider_events AS entry JOIN numbered USING (provider_call_id)
 WHERE entry.xid = '3' AND entry.type <> 'assistant-request';
INSERT INTO calls.unparsed_events (provider_event_id, org_id, received_at, reason)
SELECT id, org_id, received_at, 'NO_CALL' FROM calls.provider_events WHERE type = 'assistant-request';
INSERT INTO calls.replays (org_id, provider_event_id, received_at)
SELECT org_id, id, received_at FROM calls.provider_events ORDER BY received_at LIMIT 2000;
INSERT INTO calls.transcripts (org_id, call_id, call_created_at, line_no, source, role, message)
SELECT '{org}', id, created_at, line, 'REPORT', 'USER', 'Hello' FROM numbered, generate_series(0, 2) AS line;
INSERT INTO calls.tool_calls (
       org_id, provider, provider_call_id, tool_call_id, ordinal, name, arguments, status)
SELECT '{org}', 'vapi', provider_call_id, 'one', 1, 'calculateQuote', '{{}}', 'SUCCEEDED' FROM numbered;
INSERT INTO calls.leads (
       org_id, call_id, last_call_id, customer_number, service_type, priority, sla_seconds, sla_due_at,
       status, assigned_to, source, created_at)
SELECT '{org}', id, id, '+1438' || number, 'drains',
       CASE WHEN number % 1000 = 9 THEN 'P1' ELSE 'P3' END, 60, created_at,
       CASE WHEN number % 1000 = 8 THEN 'QUOTED' WHEN number % 500 = 7 THEN 'NEW' ELSE 'WON' END,
       CASE WHEN number % 2000 = 8 THEN 'Anna' WHEN number % 2 = 0 THEN 'Bob' ELSE '' END, 'call', created_at
  FROM numbered;
INSERT INTO calls.outbox (xid, org_id, type, subject, traceparent, data)
SELECT '3'::xid8, '{org}', 'callplane.call.ended.v1', id::text, '', '' FROM numbered;
INSERT INTO calls.provider_accounts (org_id, name, provider, lines)
VALUES ('{org}', 'main', 'vapi', 10);
INSERT INTO calls.lost_webhooks (org_id, provider, provider_call_id, type, suspected_at)
SELECT '{org}', 'vapi', provider_call_id, 'end-of-call-report', created_at
  FROM numbered
 WHERE number % 500 = 1;
UPDATE calls.foldings SET xid = '3', position = {calls} * 4 WHERE name = 'ledger';
"""
_MULTIPLY = """
SELECT pg_restore_relation_stats('schemaname', 'calls', 'relname', relname::text, 'relpages', relpages,
                                 'reltuples', reltuples * $1::real)
  FROM pg_class WHERE relnamespace = 'calls'::regnamespace AND relkind IN ('r', 'i') AND reltuples > 0
"""


async def fill(database: Database, *, org_id: str) -> None:
    connection = await asyncpg.connect(database.superuser_dsn)
    try:
        await connection.execute(_FILL.format(calls=CALLS, org=org_id))
        await connection.execute("VACUUM ANALYZE")
        await connection.execute(_MULTIPLY.replace("$1", str(TIMES)))
    finally:
        await connection.close()


@dataclass
class Asking:
    """A connection for a store function; keeps what it is asked."""

    connection: Any
    statements: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.connection, name)
        if name not in ("fetch", "fetchrow", "fetchval", "execute"):
            return method

        async def asked(sql: str, *arguments: object) -> Any:
            self.statements.append((sql, arguments))
            return await method(sql, *arguments)

        return asked


@dataclass(frozen=True)
class Plan:
    """What one statement did. `scanned` are tables that were read from end to end; `read` is how many rows
    were read, whether they were of use or not."""

    sql: str
    indexes: frozenset[str]
    scanned: frozenset[str]
    read: int

    @classmethod
    def of(cls, sql: str, explained: str) -> "Plan":
        nodes = list(_nodes(json.loads(explained)[0]["Plan"]))
        return cls(
            sql=sql,
            indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
            scanned=frozenset(
                node["Relation Name"]
                for node in nodes
                # An empty partition costs nothing, however it is read.
                if node["Node Type"] == "Seq Scan" and node["Schema"] in _SCHEMAS and _rows_read(node) > 0
            )
            - SMALL,
            read=int(sum(_rows_read(node) for node in nodes if "Relation Name" in node)),
        )


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: Mapping[str, Any]) -> float:
    kinds = ("Filter", "Join Filter", "Index Recheck")
    removed = sum(node.get(f"Rows Removed by {kind}", 0) for kind in kinds)
    return float(node["Actual Loops"] * (node["Actual Rows"] + removed))


async def plans(
    database: Database, role: str, ask: Callable[[Any], Awaitable[object]], *, org_id: str | None
) -> list[Plan]:
    """Runs a store function and then each of its statements again under EXPLAIN, with the same arguments, and
    rolls everything back."""
    connection = await asyncpg.connect(database.dsn(role))
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
        schema="pg_catalog",
    )
    try:
        asking = Asking(connection)
        await connection.execute("BEGIN")
        await connection.execute("SELECT set_config('app.org_id', $1, true)", org_id or "")
        await ask(asking)
        await connection.execute("SAVEPOINT asked")
        found = []
        for sql, arguments in asking.statements:
            explained = await connection.fetchval(
                f"EXPLAIN (ANALYZE, VERBOSE, BUFFERS OFF, TIMING OFF, FORMAT JSON) {sql}", *arguments
            )
            await connection.execute("ROLLBACK TO asked")
            found.append(Plan.of(sql, explained))
        return found
    finally:
        await connection.close()
