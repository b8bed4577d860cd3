"""Alert policies, and the alerts that leads raise."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection, Pool, transaction
from libs.telemetry import current_traceparent
from services.notify.domain.alerts import Alert, AlertPolicy, Lead, is_raised, render
from services.notify.errors import AlertNotFound, AlertPolicyNotFound
from services.notify.store import alerts, messages


async def raise_alerts(conn: Connection, lead: Lead, *, previous_priority: str) -> int:
    """Queues one message per recipient of each policy that asks for this priority; once per policy, lead and
    priority, however often it is told. Returns how many. Within the caller's transaction, as the worker
    role."""
    queued = 0
    if not is_raised(lead.priority, previous=previous_priority):
        return queued
    for policy in await alerts.policies_for(conn, org_id=lead.org_id, priority=lead.priority):
        alert_id = await alerts.insert_alert(conn, policy_id=policy.id, lead=lead)
        if alert_id is not None:
            queued += await _queue(conn, policy, lead, alert_id=alert_id)
    return queued


async def raise_requested_alerts(conn: Connection, lead: Lead) -> int:
    """For an assistant that asks for it: once per policy, priority and call, so that a caller who calls again
    about the same lead is heard again. Returns how many messages were queued. Within the caller's
    transaction, as the worker role."""
    queued = 0
    for policy in await alerts.policies_for(conn, org_id=lead.org_id, priority=lead.priority):
        alert_id = await alerts.insert_alert(conn, policy_id=policy.id, lead=lead)
        if alert_id is not None:
            queued += await _queue(conn, policy, lead, alert_id=alert_id)
        elif alert_id := await alerts.find_of_another_call(conn, policy_id=policy.id, lead=lead):
            once = f"alert:{alert_id}:{lead.call_id}"
            queued += await _queue(conn, policy, lead, alert_id=alert_id, once=once)
    return queued


async def _queue(conn: Connection, policy: AlertPolicy, lead: Lead, *, alert_id: UUID, once: str = "") -> int:
    """One message per recipient, of whom there are so many; at most one for each `once` that is not empty."""
    body = render(policy.template, lead)
    for recipient in policy.recipients:
        await messages.insert(
            conn,
            org_id=lead.org_id,
            recipients=[recipient],
            body=body,
            traceparent=current_traceparent(),
            idempotency_key=once and f"{once}:{recipient}",
            alert_id=alert_id,
        )
    return len(policy.recipients)


async def create_policy(
    pool: Pool,
    *,
    org_id: UUID,
    name: str,
    priorities: Sequence[str],
    recipients: Sequence[str],
    template: str,
) -> AlertPolicy:
    async with transaction(pool, org_id=org_id) as conn:
        return await alerts.insert_policy(
            conn, org_id=org_id, name=name, priorities=priorities, recipients=recipients, template=template
        )


async def list_policies(
    pool: Pool, *, org_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> list[AlertPolicy]:
    async with transaction(pool, org_id=org_id) as conn:
        return await alerts.list_policies(conn, before=before, limit=limit)


async def update_policy(
    pool: Pool,
    *,
    org_id: UUID,
    policy_id: UUID,
    recipients: Sequence[str],
    template: str | None,
    active: bool | None,
) -> AlertPolicy:
    async with transaction(pool, org_id=org_id) as conn:
        policy = await alerts.update_policy(
            conn, policy_id=policy_id, recipients=recipients, template=template, active=active
        )
    if policy is None:
        raise AlertPolicyNotFound
    return policy


async def delete_policy(pool: Pool, *, org_id: UUID, policy_id: UUID) -> None:
    async with transaction(pool, org_id=org_id) as conn:
        if not await alerts.delete_policy(conn, policy_id=policy_id):
            raise AlertPolicyNotFound


async def list_alerts(
    pool: Pool, *, org_id: UUID, status: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    async with transaction(pool, org_id=org_id) as conn:
        return await alerts.list_alerts(conn, status=status, before=before, limit=limit)


async def acknowledge_alert(pool: Pool, *, org_id: UUID, alert_id: UUID, by: str) -> Alert:
    """A repeat changes nothing."""
    async with transaction(pool, org_id=org_id) as conn:
        await alerts.acknowledge(conn, alert_id=alert_id, by=by)
        alert = await alerts.find_alert(conn, alert_id=alert_id)
    if alert is None:
        raise AlertNotFound
    return alert
