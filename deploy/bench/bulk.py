"""Calls in bulk, with all that intake leaves behind, as if they had been taken in and folded weeks ago.

Their transaction ids are older than the folder's cursor, so that it does not look at them. Bodies are short,
so that ten million events need some ten gigabytes.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

EVENTS_PER_CALL = 20

# One statement fills all tables with the calls numbered $2 to $3 of $4, spread over the last 25 days.
_FILL = """
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
           campaign_id, ended_reason, recording_url, summary, priority, sla_seconds, started_at, ended_at,
           duration_seconds, cost_usd, last_status_at, connected, reported_at, transcript_source,
           transcript_lines, facts, created_at, updated_at)
    SELECT id, $1, 'vapi', provider_call_id, direction, status, 'HUMAN',
           '+1438' || lpad((number % 200000)::text, 7, '0'), 'Customer ' || number % 200000,
           CASE WHEN direction = 'OUTBOUND' THEN md5('campaign ' || number % 400)::uuid::text ELSE '' END,
           'customer-ended-call', 'https://storage.example.com/' || provider_call_id,
           repeat('Water in the basement. ', 8), 'P' || 1 + number % 4, 3600, begun_at,
           begun_at + interval '60 seconds', 60, 0.1234, begun_at + interval '60 seconds', true,
           begun_at + interval '61 seconds', 'REPORT', 0,
           jsonb_build_object('status', jsonb_build_array(3, 1, status), 'ended_reason',
                              jsonb_build_array(3, 1, 'customer-ended-call')),
           begun_at, begun_at + interval '61 seconds'
      FROM call
), filled_own_facts AS (
    INSERT INTO calls.own_facts (
           call_id, org_id, provider, provider_call_id, created_at, direction, assistant_id,
           provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number, customer_name,
           placement_reason, placement_infrastructure, placement_retry_after_seconds, priority,
           priority_reason, sla_seconds)
    SELECT id, $1, 'vapi', provider_call_id, begun_at, direction, '', '', '', '', '', '', '', '', false, 0,
           'P' || 1 + number % 4, '', 3600
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


async def prepare_session(conn: asyncpg.Connection) -> None:
    """Triggers and foreign keys do not look: what is referred to is written by the same statement. For
    superusers."""
    await conn.execute("SET session_replication_role = replica")


async def fill(conn: asyncpg.Connection, *, org_id: UUID, first: int, last: int, total: int) -> None:
    """Adds the calls numbered from `first` to `last`, both included, of `total`."""
    await conn.execute(_FILL, org_id, first, last, float(total))
