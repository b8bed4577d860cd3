"""The event messages of `callplane.events.v1`: those notify writes, and those of others as notify understands
them."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message as ProtoMessage

from callplane.events.v1 import events_pb2
from libs.outbox import NewEvent
from services.notify.domain.alerts import Lead
from services.notify.domain.catalogue import public_name
from services.notify.domain.messages import Message
from services.notify.domain.suppressions import Channel, OptOut, Suppression
from services.notify.domain.webhooks import PublicEvent, Webhook


class UnreadableEvent(Exception):
    """An event whose data is not what its type says."""


def message_sent(message: Message) -> NewEvent:
    data = events_pb2.MessageSent(message=_message(message))
    return _event("callplane.message.sent.v1", subject=message.id, org_id=message.org_id, data=data)


def message_failed(message: Message) -> NewEvent:
    data = events_pb2.MessageFailed(message=_message(message))
    return _event("callplane.message.failed.v1", subject=message.id, org_id=message.org_id, data=data)


def endpoint_disabled(webhook: Webhook, *, reason: str) -> NewEvent:
    data = events_pb2.EndpointDisabled(webhook_id=str(webhook.id), reason=reason)
    return _event("callplane.endpoint.disabled.v1", subject=webhook.id, org_id=webhook.org_id, data=data)


def suppression_created(suppression: Suppression) -> NewEvent:
    """Its subject is the number: what is said of one number stays in order."""
    data = events_pb2.SuppressionCreated(
        phone_number=suppression.phone_number, channel=suppression.channel.value
    )
    return _event(
        "callplane.suppression.created.v1",
        subject=suppression.phone_number,
        org_id=suppression.org_id,
        data=data,
    )


def suppression_deleted(suppression: Suppression) -> NewEvent:
    data = events_pb2.SuppressionDeleted(
        phone_number=suppression.phone_number, channel=suppression.channel.value
    )
    return _event(
        "callplane.suppression.deleted.v1",
        subject=suppression.phone_number,
        org_id=suppression.org_id,
        data=data,
    )


def lead_of(event: events_pb2.Event) -> tuple[Lead, str]:
    """The lead of a lead event and its priority before; empty for a new lead."""
    if event.type == "callplane.lead.created.v1":
        created = events_pb2.LeadCreated()
        _unpack(event, created)
        return _lead(created.lead, org_id=event.org_id), ""
    updated = events_pb2.LeadUpdated()
    _unpack(event, updated)
    return _lead(updated.lead, org_id=event.org_id), updated.previous_priority


def alert_wish_of(event: events_pb2.Event) -> Lead:
    """The lead to alert about, at the priority and with the words that the assistant asked for."""
    data = events_pb2.AlertRequested()
    _unpack(event, data)
    lead = _lead(data.lead, org_id=event.org_id)
    return replace(lead, priority=data.priority, problem_description=data.message or lead.problem_description)


def opt_out_of(event: events_pb2.Event) -> OptOut:
    data = events_pb2.OptOutRecorded()
    _unpack(event, data)
    return OptOut(org_id=UUID(event.org_id), phone_number=data.phone_number, channel=Channel(data.channel))


def public_event(event: events_pb2.Event) -> PublicEvent | None:
    """As customers get it; None if it is not for them."""
    return _public(
        event.data,
        event_type=event.type,
        event_id=UUID(event.id),
        org_id=UUID(event.org_id),
        subject=event.subject,
        time=event.time.ToDatetime(tzinfo=UTC),
    )


def own_public_event(event: NewEvent, *, time: datetime) -> PublicEvent | None:
    """An event of ours that is being written, as customers get it; None if it is not for them."""
    if event.id is None:
        raise ValueError("an event for customers needs its id before it is written")
    return _public(
        any_pb2.Any.FromString(event.data),
        event_type=event.type,
        event_id=event.id,
        org_id=event.org_id,
        subject=event.subject,
        time=time,
    )


def _public(
    data: any_pb2.Any, *, event_type: str, event_id: UUID, org_id: UUID, subject: str, time: datetime
) -> PublicEvent | None:
    name = public_name(event_type)
    if name is None:
        return None
    values = json_format.MessageToDict(data)
    values.pop("@type", None)
    timestamp = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return PublicEvent(
        id=event_id,
        org_id=org_id,
        name=name,
        subject=subject,
        time=time,
        body=msgspec.json.encode({"type": name, "timestamp": timestamp, "data": values}).decode(),
        assistant_id=_assistant_id(values),
    )


def _assistant_id(data: dict[str, object]) -> str:
    """Calls and campaigns name their assistant."""
    for noun in ("call", "campaign"):
        about = data.get(noun)
        if isinstance(about, dict):
            return str(about.get("assistantId", ""))
    return ""


def _lead(lead: events_pb2.LeadSnapshot, *, org_id: str) -> Lead:
    return Lead(
        id=UUID(lead.id),
        org_id=UUID(org_id),
        call_id=lead.call_id,
        priority=lead.priority,
        priority_reason=lead.priority_reason,
        sla_seconds=lead.sla_seconds,
        customer_name=lead.customer_name,
        customer_number=lead.customer_number,
        address=lead.address,
        problem_description=lead.problem_description,
    )


def _message(message: Message) -> events_pb2.MessageSnapshot:
    return events_pb2.MessageSnapshot(
        id=str(message.id),
        to=message.recipient,
        status=message.status.value,
        error_code=message.error_code,
        alert_id=str(message.alert_id or ""),
    )


def _event(event_type: str, *, subject: UUID | str, org_id: UUID, data: ProtoMessage) -> NewEvent:
    packed = any_pb2.Any()
    packed.Pack(data)
    return NewEvent(
        id=uuid4(), type=event_type, subject=str(subject), org_id=org_id, data=packed.SerializeToString()
    )


def _unpack(event: events_pb2.Event, into: ProtoMessage) -> None:
    if not event.data.Unpack(into):
        raise UnreadableEvent(event.type)
