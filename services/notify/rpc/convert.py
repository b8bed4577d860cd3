"""Protos to domain and back."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from callplane.notify.v2 import messages_pb2, webhooks_pb2
from libs.errors import InvalidPageToken
from libs.rpc import pages
from libs.rpc.convert import timestamp
from services.notify.domain.alerts import Alert, AlertPolicy
from services.notify.domain.messages import Message
from services.notify.domain.suppressions import Suppression
from services.notify.domain.webhooks import Attempt, Delivery, Webhook


def place(page_token: str) -> tuple[datetime, UUID] | None:
    """Where a list goes on: after this time and id."""
    values = pages.decode(page_token, size=2)
    if not values:
        return None
    try:
        return pages.moment(values[0]), UUID(values[1])
    except ValueError:
        raise InvalidPageToken from None


def next_page_token(
    items: Sequence[Message | AlertPolicy | Alert | Suppression | Webhook | Delivery], *, limit: int
) -> str:
    """Empty unless the page is full."""
    if len(items) < limit:
        return ""
    return pages.encode([items[-1].created_at.isoformat(), str(items[-1].id)])


def message(found: Message) -> messages_pb2.Message:
    return messages_pb2.Message(
        id=str(found.id),
        to=found.recipient,
        body=found.body,
        status=messages_pb2.Message.Status.Value(found.status.value),
        provider_message_id=found.provider_message_id,
        error_code=found.error_code,
        attempts=found.attempts,
        alert_id=str(found.alert_id or ""),
        created_at=timestamp(found.created_at),
        sent_at=timestamp(found.sent_at),
        delivered_at=timestamp(found.delivered_at),
    )


def alert_policy(found: AlertPolicy) -> messages_pb2.AlertPolicy:
    return messages_pb2.AlertPolicy(
        id=str(found.id),
        name=found.name,
        priorities=found.priorities,
        recipients=found.recipients,
        template=found.template,
        active=found.active,
        created_at=timestamp(found.created_at),
    )


def alert(found: Alert) -> messages_pb2.Alert:
    return messages_pb2.Alert(
        id=str(found.id),
        policy_id=str(found.policy_id),
        lead_id=str(found.lead_id),
        call_id=found.call_id,
        priority=found.priority,
        status=messages_pb2.Alert.Status.Value(found.status.value),
        message_ids=map(str, found.message_ids),
        created_at=timestamp(found.created_at),
        acknowledged_at=timestamp(found.acknowledged_at),
        acknowledged_by=found.acknowledged_by,
    )


def suppression(found: Suppression) -> messages_pb2.Suppression:
    return messages_pb2.Suppression(
        id=str(found.id),
        phone_number=found.phone_number,
        channel=messages_pb2.Suppression.Channel.Value(found.channel.value),
        source=found.source.value,
        created_at=timestamp(found.created_at),
    )


def webhook(found: Webhook, *, secret: str = "") -> webhooks_pb2.Webhook:
    return webhooks_pb2.Webhook(
        id=str(found.id),
        url=found.url,
        events=found.events,
        assistant_id=found.assistant_id,
        enabled=found.enabled,
        secret=secret,
        disabled_reason=found.disabled_reason,
        last_delivery_at=timestamp(found.last_delivery_at),
        last_status=found.last_status,
        last_error=found.last_error,
        created_at=timestamp(found.created_at),
    )


def delivery(found: Delivery) -> webhooks_pb2.Delivery:
    return webhooks_pb2.Delivery(
        id=str(found.id),
        webhook_id=str(found.webhook_id),
        event_id=str(found.event_id),
        event_type=found.event_type,
        status=webhooks_pb2.Delivery.Status.Value(found.status.value),
        attempts=map(_attempt, found.attempts),
        next_attempt_at=timestamp(found.next_attempt_at),
        created_at=timestamp(found.created_at),
        delivered_at=timestamp(found.delivered_at),
    )


def _attempt(found: Attempt) -> webhooks_pb2.DeliveryAttempt:
    return webhooks_pb2.DeliveryAttempt(
        number=found.number,
        status_code=found.status_code,
        error=found.error,
        response_body=found.response_body,
        duration_ms=found.duration_ms,
        attempted_at=timestamp(found.attempted_at),
    )
