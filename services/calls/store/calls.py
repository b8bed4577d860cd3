"""The call rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Call, Direction, Outcome, Priority, Status, TranscriptSource
from services.calls.domain.facts import Facts
from services.calls.domain.placement import PlacementResult


async def new_ids(conn: Connection, *, count: int) -> list[UUID]:
    rows = await conn.fetch("SELECT uuidv7() AS id FROM generate_series(1, $1)", count)
    return [row["id"] for row in rows]


async def find(conn: Connection, *, call_id: UUID) -> Call | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, provider, provider_account_id, provider_call_id, direction, status, outcome,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, phone_number,
               customer_number, customer_name, customer_email, address, city, postal_code,
               problem_description, service_type, estimated_value, data_notes, priority, priority_reason,
               sla_seconds, sla_due_at, started_at, ended_at, ended_reason, duration_seconds, cost_usd,
               cost_breakdown, recording_url, summary, success_evaluation, success_evaluation_raw, analysis,
               last_status_at, connected, reported_at, transcript_source, transcript_lines, facts, placement,
               placement_reason, placement_infrastructure, placement_retry_after_seconds,
               placement_requested_at, placed_at, max_duration_seconds, closed_as, closed_at, looked_up_at,
               lookups, created_at
          FROM calls.calls
         WHERE id = $1
        """,
        call_id,
    )
    return _call(row) if row else None


async def list_page(
    conn: Connection,
    *,
    status: str | None,
    direction: str | None,
    priority: str | None,
    campaign_id: str | None,
    customer_number: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Call]:
    """Newest first, before the one at `before`. Of the organization of the transaction. To be shown only:
    without their facts, which are most of a row and which no list shows."""
    created_at, call_id = before or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, org_id, provider, provider_account_id, provider_call_id, direction, status, outcome,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, phone_number,
               customer_number, customer_name, customer_email, address, city, postal_code,
               problem_description, service_type, estimated_value, data_notes, priority, priority_reason,
               sla_seconds, sla_due_at, started_at, ended_at, ended_reason, duration_seconds, cost_usd,
               cost_breakdown, recording_url, summary, success_evaluation, success_evaluation_raw, analysis,
               last_status_at, connected, reported_at, transcript_source, transcript_lines, placement,
               placement_reason, placement_infrastructure, placement_retry_after_seconds,
               placement_requested_at, placed_at, max_duration_seconds, closed_as, closed_at, looked_up_at,
               lookups, created_at
          FROM calls.calls
         WHERE ($1::text IS NULL OR status = $1)
           AND ($2::text IS NULL OR direction = $2)
           AND ($3::text IS NULL OR priority = $3)
           AND ($4::text IS NULL OR campaign_id = $4)
           AND ($5::text IS NULL OR customer_number = $5)
           AND ($6::timestamptz IS NULL OR (created_at, id) < ($6, $7::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $8
        """,
        status,
        direction,
        priority,
        campaign_id,
        customer_number,
        created_at,
        call_id,
        limit,
    )
    return [_call(row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFacts:
    """What was told about a call so far. `settled`: how its placing went is certain."""

    id: UUID
    org_id: UUID
    provider: str
    provider_call_id: str
    facts: Facts
    settled: bool


async def list_facts(conn: Connection, provider_ids: Sequence[tuple[UUID, str, str]]) -> list[KnownFacts]:
    """Of those of these (organization, provider, provider's id) that have a row. Nothing is locked: facts
    only ever grow, so what they hold now they hold later."""
    rows = await conn.fetch(
        """
        SELECT call.id, call.org_id, call.provider, call.provider_call_id, call.facts,
               call.placement IS DISTINCT FROM 'UNKNOWN' AS settled
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (org_id, provider, provider_call_id)
          -- By the provider's id alone, which says most: without statistics an organization's looks as good.
          JOIN calls.own_facts AS own ON own.provider_call_id = wanted.provider_call_id
           AND own.org_id IS NOT DISTINCT FROM wanted.org_id
           AND own.provider IS NOT DISTINCT FROM wanted.provider
          JOIN calls.calls AS call ON call.id = own.call_id
        """,
        [org_id for org_id, _, _ in provider_ids],
        [provider for _, provider, _ in provider_ids],
        [provider_call_id for _, _, provider_call_id in provider_ids],
    )
    return [KnownFacts(**row) for row in rows]


async def lock_many(
    conn: Connection,
    *,
    provider_ids: Sequence[tuple[UUID, str, str]],
    own_ids: Sequence[UUID],
) -> list[Call]:
    """Calls of these (organization, provider, provider's id), and those with these ids of ours; locked, in
    one fixed order, until the transaction ends."""
    # The ids first: ordered together with the look-up, all calls might be read in their order.
    found = await conn.fetch(
        """
        SELECT call.id
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (org_id, provider, provider_call_id)
         CROSS JOIN LATERAL (SELECT id
                               FROM calls.calls
                              WHERE org_id = wanted.org_id AND provider = wanted.provider
                                AND provider_call_id = wanted.provider_call_id
                              LIMIT 1) AS call
        """,
        [org_id for org_id, _, _ in provider_ids],
        [provider for _, provider, _ in provider_ids],
        [provider_call_id for _, _, provider_call_id in provider_ids],
    )
    rows = await conn.fetch(
        """
        SELECT id, org_id, provider, provider_account_id, provider_call_id, direction, status, outcome,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, phone_number,
               customer_number, customer_name, customer_email, address, city, postal_code,
               problem_description, service_type, estimated_value, data_notes, priority, priority_reason,
               sla_seconds, sla_due_at, started_at, ended_at, ended_reason, duration_seconds, cost_usd,
               cost_breakdown, recording_url, summary, success_evaluation, success_evaluation_raw, analysis,
               last_status_at, connected, reported_at, transcript_source, transcript_lines, facts, placement,
               placement_reason, placement_infrastructure, placement_retry_after_seconds,
               placement_requested_at, placed_at, max_duration_seconds, closed_as, closed_at, looked_up_at,
               lookups, created_at
          FROM calls.calls
         WHERE id = ANY($1::uuid[])
         ORDER BY id
           FOR UPDATE
        """,
        [*(row["id"] for row in found), *own_ids],
    )
    return [_call(row) for row in rows]


async def insert_many(conn: Connection, calls: Sequence[Call]) -> None:
    await conn.execute(
        """
        INSERT INTO calls.calls (
               id, org_id, provider, provider_account_id, provider_call_id, direction, status, outcome,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, phone_number,
               customer_number, customer_name, customer_email, address, city, postal_code,
               problem_description, service_type, estimated_value, data_notes, priority, priority_reason,
               sla_seconds, sla_due_at, started_at, ended_at, ended_reason, duration_seconds, cost_usd,
               cost_breakdown, recording_url, summary, success_evaluation, success_evaluation_raw, analysis,
               last_status_at, connected, reported_at, transcript_source, transcript_lines, facts, placement,
               placement_reason, placement_infrastructure, placement_retry_after_seconds,
               placement_requested_at, placed_at, max_duration_seconds, closed_as, closed_at, looked_up_at,
               lookups, created_at)
        SELECT id, org_id, provider, provider_account_id, provider_call_id, direction, status, outcome,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, phone_number,
               customer_number, customer_name, customer_email, address, city, postal_code,
               problem_description, service_type, estimated_value, data_notes, priority, priority_reason,
               sla_seconds, sla_due_at, started_at, ended_at, ended_reason, duration_seconds, cost_usd,
               cost_breakdown, recording_url, summary, success_evaluation, success_evaluation_raw, analysis,
               last_status_at, connected, reported_at, transcript_source, transcript_lines, facts, placement,
               placement_reason, placement_infrastructure, placement_retry_after_seconds,
               placement_requested_at, placed_at, max_duration_seconds, closed_as, closed_at, looked_up_at,
               lookups, created_at
          FROM jsonb_populate_recordset(NULL::calls.calls, $1)
        """,
        calls,
    )


async def update_many(conn: Connection, calls: Sequence[Call]) -> None:
    """Writes everything that may follow from what the provider tells. The rows have to be locked."""
    await conn.execute(
        """
        UPDATE calls.calls AS call
           SET provider_call_id = told.provider_call_id, direction = told.direction, status = told.status,
               outcome = told.outcome, provider_assistant_id = told.provider_assistant_id,
               phone_number_id = told.phone_number_id, phone_number = told.phone_number,
               customer_number = told.customer_number, customer_name = told.customer_name,
               customer_email = told.customer_email, address = told.address, city = told.city,
               postal_code = told.postal_code, problem_description = told.problem_description,
               service_type = told.service_type, estimated_value = told.estimated_value,
               data_notes = told.data_notes, priority = told.priority, priority_reason = told.priority_reason,
               sla_seconds = told.sla_seconds, sla_due_at = told.sla_due_at, started_at = told.started_at,
               ended_at = told.ended_at, ended_reason = told.ended_reason,
               duration_seconds = told.duration_seconds, cost_usd = told.cost_usd,
               cost_breakdown = told.cost_breakdown, recording_url = told.recording_url,
               summary = told.summary, success_evaluation = told.success_evaluation,
               success_evaluation_raw = told.success_evaluation_raw,
               analysis = told.analysis, last_status_at = told.last_status_at, connected = told.connected,
               reported_at = told.reported_at, transcript_source = told.transcript_source,
               transcript_lines = told.transcript_lines, facts = told.facts, placement = told.placement,
               placement_reason = told.placement_reason,
               placement_infrastructure = told.placement_infrastructure, placed_at = told.placed_at,
               updated_at = now()
          FROM jsonb_populate_recordset(NULL::calls.calls, $1) AS told
         WHERE call.id = told.id
        """,
        calls,
    )


async def update_conversations(conn: Connection, calls: Sequence[Call]) -> None:
    """As `update_many`, of calls about which only more of the conversation is known, and nothing follows from
    it; that is most of the time, and writes a fraction of the columns."""
    await conn.execute(
        """
        UPDATE calls.calls AS call
           SET facts = told.facts, last_status_at = told.last_status_at,
               transcript_source = told.transcript_source, transcript_lines = told.transcript_lines,
               updated_at = now()
          FROM unnest($1::uuid[], $2::jsonb[], $3::timestamptz[], $4::text[], $5::integer[])
               AS told (id, facts, last_status_at, transcript_source, transcript_lines)
         WHERE call.id = told.id
        """,
        [call.id for call in calls],
        [call.facts for call in calls],
        [call.last_status_at for call in calls],
        [call.transcript_source for call in calls],
        [call.transcript_lines for call in calls],
    )


def _call(row: Mapping[str, Any]) -> Call:
    fields = dict(row)
    fields["direction"] = Direction(fields["direction"])
    fields["status"] = Status(fields["status"])
    fields["outcome"] = fields["outcome"] and Outcome(fields["outcome"])
    fields["priority"] = fields["priority"] and Priority(fields["priority"])
    fields["transcript_source"] = fields["transcript_source"] and TranscriptSource(
        fields["transcript_source"]
    )
    fields["placement"] = fields["placement"] and PlacementResult(fields["placement"])
    fields["closed_as"] = fields["closed_as"] and Status(fields["closed_as"])
    fields["data_notes"] = tuple(fields["data_notes"])
    return Call(**fields)
