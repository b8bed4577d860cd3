"""Alert policies, and the alerts that were raised by them."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.notify.domain.alerts import Alert, AlertPolicy, AlertStatus, Lead


async def insert_policy(
    conn: Connection,
    *,
    org_id: UUID,
    name: str,
    priorities: Sequence[str],
    recipients: Sequence[str],
    template: str,
) -> AlertPolicy:
    row = await conn.fetchrow(
        """
        INSERT INTO notify.alert_policies (org_id, name, priorities, recipients, template)
        VALUES ($1, $2, $3, $4, $5)
        RETURNING id, org_id, name, priorities, recipients, template, active, created_at
        """,
        org_id,
        name,
        list(priorities),
        list(recipients),
        template,
    )
    return _policy(row)


async def list_policies(
    conn: Connection, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[AlertPolicy]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, priorities, recipients, template, active, created_at
          FROM notify.alert_policies
         WHERE deleted_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $3
        """,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_policy(row) for row in rows]


async def update_policy(
    conn: Connection, *, policy_id: UUID, recipients: Sequence[str], template: str | None, active: bool | None
) -> AlertPolicy | None:
    """Changes what is not empty or None."""
    row = await conn.fetchrow(
        """
        UPDATE notify.alert_policies
           SET recipients = CASE WHEN cardinality($2::text[]) > 0 THEN $2 ELSE recipients END,
               template = coalesce($3, template),
               active = coalesce($4, active)
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, org_id, name, priorities, recipients, template, active, created_at
        """,
        policy_id,
        list(recipients),
        template,
        active,
    )
    return _policy(row) if row else None


async def delete_policy(conn: Connection, *, policy_id: UUID) -> bool:
    """Its alerts stay."""
    deleted: bool | None = await conn.fetchval(
        """
        UPDATE notify.alert_policies SET deleted_at = now(), active = false
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING true
        """,
        policy_id,
    )
    return deleted or False


async def policies_for(conn: Connection, *, org_id: UUID, priority: str) -> list[AlertPolicy]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, priorities, recipients, template, active, created_at
          FROM notify.alert_policies
         WHERE org_id = $1 AND active AND deleted_at IS NULL AND $2 = ANY(priorities)
         ORDER BY created_at, id
         LIMIT 100
        """,
        org_id,
        priority,
    )
    return [_policy(row) for row in rows]


async def orgs_with_policies(conn: Connection, *, org_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of these organizations that want to be alerted about leads of some priority."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT org_id
          FROM notify.alert_policies
         WHERE org_id = ANY($1::uuid[]) AND active AND deleted_at IS NULL
        """,
        list(org_ids),
    )
    return frozenset(row["org_id"] for row in rows)


async def insert_alert(conn: Connection, *, policy_id: UUID, lead: Lead) -> UUID | None:
    """None if this policy has alerted about this lead at this priority before."""
    alert_id: UUID | None = await conn.fetchval(
        """
        INSERT INTO notify.alerts (org_id, policy_id, lead_id, call_id, priority)
        VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (policy_id, lead_id, priority) DO NOTHING
        RETURNING id
        """,
        lead.org_id,
        policy_id,
        lead.id,
        lead.call_id,
        lead.priority,
    )
    return alert_id


async def find_of_another_call(conn: Connection, *, policy_id: UUID, lead: Lead) -> UUID | None:
    """The alert of this policy, lead and priority, if it was raised in an earlier call."""
    alert_id: UUID | None = await conn.fetchval(
        """
        SELECT id
          FROM notify.alerts
         WHERE policy_id = $1 AND lead_id = $2 AND priority = $3 AND call_id <> $4
        """,
        policy_id,
        lead.id,
        lead.priority,
        lead.call_id,
    )
    return alert_id


async def find_alert(conn: Connection, *, alert_id: UUID) -> Alert | None:
    row = await conn.fetchrow(
        """
        SELECT id, policy_id, lead_id, call_id, priority, status, created_at, acknowledged_at,
               acknowledged_by,
               ARRAY(SELECT messages.id FROM notify.messages WHERE messages.alert_id = alerts.id
                      ORDER BY messages.id LIMIT 20) AS message_ids
          FROM notify.alerts
         WHERE id = $1
        """,
        alert_id,
    )
    return _alert(row) if row else None


async def list_alerts(
    conn: Connection, *, status: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    """Newest first. An empty status means all."""
    rows = await conn.fetch(
        """
        SELECT id, policy_id, lead_id, call_id, priority, status, created_at, acknowledged_at,
               acknowledged_by,
               ARRAY(SELECT messages.id FROM notify.messages WHERE messages.alert_id = alerts.id
                      ORDER BY messages.id LIMIT 20) AS message_ids
          FROM notify.alerts
         WHERE ($1 = '' OR status = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $4
        """,
        status,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_alert(row) for row in rows]


async def acknowledge(conn: Connection, *, alert_id: UUID, by: str) -> None:
    """The first one who acknowledges stays on record."""
    await conn.execute(
        """
        UPDATE notify.alerts SET status = 'ACKNOWLEDGED', acknowledged_at = now(), acknowledged_by = $2
         WHERE id = $1 AND status = 'OPEN'
        """,
        alert_id,
        by,
    )


async def acknowledge_latest(conn: Connection, *, org_id: UUID, recipient: str) -> UUID | None:
    """The latest open alert that was sent to `recipient`; None if there is none."""
    alert_id: UUID | None = await conn.fetchval(
        """
        UPDATE notify.alerts SET status = 'ACKNOWLEDGED', acknowledged_at = now(), acknowledged_by = $2
         WHERE status = 'OPEN'
           AND id = (SELECT alerts.id
                       FROM notify.messages JOIN notify.alerts ON alerts.id = messages.alert_id
                      WHERE messages.org_id = $1 AND messages.recipient = $2 AND alerts.status = 'OPEN'
                      ORDER BY messages.created_at DESC
                      LIMIT 1)
        RETURNING id
        """,
        org_id,
        recipient,
    )
    return alert_id


def _policy(row: Any) -> AlertPolicy:
    return AlertPolicy(
        id=row["id"],
        org_id=row["org_id"],
        name=row["name"],
        priorities=tuple(row["priorities"]),
        recipients=tuple(row["recipients"]),
        template=row["template"],
        active=row["active"],
        created_at=row["created_at"],
    )


def _alert(row: Any) -> Alert:
    return Alert(
        id=row["id"],
        policy_id=row["policy_id"],
        lead_id=row["lead_id"],
        call_id=row["call_id"],
        priority=row["priority"],
        status=AlertStatus(row["status"]),
        message_ids=tuple(row["message_ids"]),
        created_at=row["created_at"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
    )
