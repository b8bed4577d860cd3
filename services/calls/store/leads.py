"""Leads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Call, Priority
from services.calls.domain.leads import Lead, LeadStatus


async def lock_of_calls(conn: Connection, calls: Sequence[Call]) -> list[Lead]:
    """The leads these calls belong to, and the open ones of the same callers; locked until the transaction
    ends."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at
          FROM calls.leads
         WHERE id IN (
               SELECT id FROM calls.leads WHERE call_id = ANY($1::uuid[])
                UNION ALL
               SELECT id FROM calls.leads WHERE last_call_id = ANY($1::uuid[])
                UNION ALL
               SELECT lead.id
                 FROM unnest($2::uuid[], $3::text[]) AS caller (org_id, customer_number)
                 JOIN calls.leads AS lead USING (org_id, customer_number)
                WHERE lead.status NOT IN ('WON', 'LOST') AND lead.customer_number <> '')
         ORDER BY id
           FOR UPDATE
        """,
        [call.id for call in calls],
        [call.org_id for call in calls],
        [call.customer_number for call in calls],
    )
    return [_lead(row) for row in rows]


async def save_many(conn: Connection, leads: Sequence[Lead]) -> None:
    """New ones and locked ones."""
    await conn.execute(
        """
        INSERT INTO calls.leads (
               id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at)
        SELECT id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at
          FROM jsonb_populate_recordset(NULL::calls.leads, $1)
            ON CONFLICT ON CONSTRAINT leads_pkey DO UPDATE
           SET last_call_id = excluded.last_call_id, customer_name = excluded.customer_name,
               customer_email = excluded.customer_email, service_type = excluded.service_type,
               priority = excluded.priority, priority_reason = excluded.priority_reason,
               sla_seconds = excluded.sla_seconds, sla_due_at = excluded.sla_due_at,
               address = excluded.address, city = excluded.city, postal_code = excluded.postal_code,
               problem_description = excluded.problem_description, estimated_value = excluded.estimated_value,
               notes = excluded.notes, status = excluded.status, assigned_to = excluded.assigned_to,
               scheduled_at = excluded.scheduled_at, follow_up_at = excluded.follow_up_at,
               version = excluded.version, updated_at = excluded.updated_at
        """,
        leads,
    )


async def next_id(conn: Connection) -> tuple[UUID, datetime]:
    """For a new lead, and the time it is."""
    [row] = await conn.fetch("SELECT uuidv7() AS id, now() AS now")
    return row["id"], row["now"]


async def insert(conn: Connection, lead: Lead) -> bool:
    """False if its caller has an open one of this kind of service."""
    inserted = await conn.fetchval(
        """
        INSERT INTO calls.leads (
               id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at)
        SELECT id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at
          FROM jsonb_populate_record(NULL::calls.leads, $1)
            ON CONFLICT DO NOTHING
        RETURNING true
        """,
        lead,
    )
    return inserted or False


async def find_open_id(conn: Connection, *, customer_number: str, service_type: str) -> UUID | None:
    """Of the organization of the transaction."""
    lead_id: UUID | None = await conn.fetchval(
        """
        SELECT id
          FROM calls.leads
         WHERE customer_number = $1 AND service_type = $2 AND status NOT IN ('WON', 'LOST')
           AND customer_number <> ''
        """,
        customer_number,
        service_type,
    )
    return lead_id


async def mark_breached(conn: Connection, *, limit: int) -> list[Lead]:
    """Leads of all organizations that are still NEW past their due time and were not marked before, the
    longest overdue first. Locked until the transaction ends; what is locked already waits for the next
    time. The version stays: nobody's change is lost to the clock."""
    rows = await conn.fetch(
        """
        UPDATE calls.leads
           SET sla_breached_at = now()
         WHERE id IN (
               SELECT id
                 FROM calls.leads
                WHERE status = 'NEW' AND sla_breached_at IS NULL AND sla_due_at < now()
                ORDER BY sla_due_at, id
                LIMIT $1
                  FOR UPDATE SKIP LOCKED)
        RETURNING id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
                  service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city,
                  postal_code, problem_description, estimated_value, notes, status, source, assigned_to,
                  scheduled_at, follow_up_at, sla_breached_at, version, created_at, updated_at
        """,
        limit,
    )
    return [_lead(row) for row in rows]


async def find(conn: Connection, *, lead_id: UUID) -> Lead | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at
          FROM calls.leads
         WHERE id = $1
        """,
        lead_id,
    )
    return _lead(row) if row else None


async def list_page(
    conn: Connection,
    *,
    status: str | None,
    priority: str | None,
    assigned_to: str | None,
    overdue: bool,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Lead]:
    """Newest first, before the one at `before`. Of the organization of the transaction. `overdue`: only those
    still NEW past their due time."""
    created_at, lead_id = before or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
               service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city, postal_code,
               problem_description, estimated_value, notes, status, source, assigned_to, scheduled_at,
               follow_up_at, sla_breached_at, version, created_at, updated_at
          FROM calls.leads
         WHERE ($1::text IS NULL OR status = $1)
           AND ($2::text IS NULL OR priority = $2)
           AND ($3::text IS NULL OR assigned_to = $3)
           AND (NOT $4::boolean OR (status = 'NEW' AND sla_due_at < now()))
           AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $7
        """,
        status,
        priority,
        assigned_to,
        overdue,
        created_at,
        lead_id,
        limit,
    )
    return [_lead(row) for row in rows]


async def update(conn: Connection, *, lead_id: UUID, version: int, changes: Mapping[str, Any]) -> Lead | None:
    """Changes an open lead where it is still at this version; None if it is not. `changes` holds columns of
    the lead; one that is not there stays."""
    row = await conn.fetchrow(
        """
        UPDATE calls.leads
           SET status = coalesce($3, status), notes = coalesce($4, notes),
               assigned_to = coalesce($5, assigned_to), customer_name = coalesce($6, customer_name),
               address = coalesce($7, address), city = coalesce($8, city),
               postal_code = coalesce($9, postal_code), estimated_value = coalesce($10, estimated_value),
               scheduled_at = coalesce($11, scheduled_at), follow_up_at = coalesce($12, follow_up_at),
               customer_email = coalesce($13, customer_email),
               problem_description = coalesce($14, problem_description),
               version = version + 1, updated_at = now()
         WHERE id = $1 AND version = $2
        RETURNING id, org_id, call_id, last_call_id, customer_number, customer_name, customer_email,
                  service_type, priority, priority_reason, sla_seconds, sla_due_at, address, city,
                  postal_code, problem_description, estimated_value, notes, status, source, assigned_to,
                  scheduled_at, follow_up_at, sla_breached_at, version, created_at, updated_at
        """,
        lead_id,
        version,
        changes.get("status"),
        changes.get("notes"),
        changes.get("assigned_to"),
        changes.get("customer_name"),
        changes.get("address"),
        changes.get("city"),
        changes.get("postal_code"),
        changes.get("estimated_value"),
        changes.get("scheduled_at"),
        changes.get("follow_up_at"),
        changes.get("customer_email"),
        changes.get("problem_description"),
    )
    return _lead(row) if row else None


def _lead(row: Mapping[str, Any]) -> Lead:
    fields = dict(row)
    fields["priority"], fields["status"] = Priority(fields["priority"]), LeadStatus(fields["status"])
    return Lead(**fields)
