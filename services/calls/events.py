"""What `calls` tells the other services, in the words of `callplane.events.v1`."""

from datetime import datetime
from typing import Final

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from callplane.events.v1 import events_pb2
from libs.outbox import NewEvent
from services.calls.domain.call import Call, Priority
from services.calls.domain.ended_reasons import failed_by_infrastructure
from services.calls.domain.leads import Lead

SCHEMA: Final = "calls"


def call_placed(call: Call) -> NewEvent:
    return _of_call("callplane.call.placed.v1", call, events_pb2.CallPlaced(call=_snapshot(call)))


def call_started(call: Call) -> NewEvent:
    return _of_call("callplane.call.started.v1", call, events_pb2.CallStarted(call=_snapshot(call)))


def call_ended(call: Call) -> NewEvent:
    return _of_call("callplane.call.ended.v1", call, events_pb2.CallEnded(call=_snapshot(call)))


def call_failed(call: Call) -> NewEvent:
    return _of_call("callplane.call.failed.v1", call, events_pb2.CallFailed(call=_snapshot(call)))


def call_reported(call: Call) -> NewEvent:
    return _of_call("callplane.call.reported.v1", call, events_pb2.CallReported(call=_snapshot(call)))


def conversation_updated(call: Call) -> NewEvent:
    data = events_pb2.ConversationUpdated(call=_snapshot(call), lines=call.transcript_lines)
    return _of_call("callplane.call.conversation_updated.v1", call, data)


def lead_created(lead: Lead) -> NewEvent:
    return _of_lead("callplane.lead.created.v1", lead, events_pb2.LeadCreated(lead=_lead_snapshot(lead)))


def lead_updated(lead: Lead, *, previous_priority: Priority) -> NewEvent:
    data = events_pb2.LeadUpdated(lead=_lead_snapshot(lead), previous_priority=previous_priority.value)
    return _of_lead("callplane.lead.updated.v1", lead, data)


def lead_sla_breached(lead: Lead) -> NewEvent:
    data = events_pb2.LeadSlaBreached(lead=_lead_snapshot(lead), breached_at=_timestamp(lead.sla_breached_at))
    return _of_lead("callplane.lead.sla_breached.v1", lead, data)


def alert_requested(lead: Lead, *, priority: Priority, message: str) -> NewEvent:
    data = events_pb2.AlertRequested(lead=_lead_snapshot(lead), priority=priority.value, message=message)
    return _of_lead("callplane.alert.requested.v1", lead, data)


def callback_requested(lead: Lead, *, call_back_at: datetime, campaign_id: str) -> NewEvent:
    data = events_pb2.CallbackRequested(
        lead=_lead_snapshot(lead), call_back_at=_timestamp(call_back_at), campaign_id=campaign_id
    )
    return _of_lead("callplane.callback.requested.v1", lead, data)


def opt_out_recorded(call: Call, *, channel: str) -> NewEvent:
    data = events_pb2.OptOutRecorded(phone_number=call.customer_number, channel=channel, call_id=str(call.id))
    return _of_call("callplane.opt_out.recorded.v1", call, data)


def _of_call(event_type: str, call: Call, data: Message) -> NewEvent:
    return NewEvent(type=event_type, subject=str(call.id), org_id=call.org_id, data=_packed(data))


def _of_lead(event_type: str, lead: Lead, data: Message) -> NewEvent:
    return NewEvent(type=event_type, subject=str(lead.id), org_id=lead.org_id, data=_packed(data))


def _packed(data: Message) -> bytes:
    packed = any_pb2.Any()
    packed.Pack(data)
    return packed.SerializeToString()


def _snapshot(call: Call) -> events_pb2.CallSnapshot:
    return events_pb2.CallSnapshot(
        id=str(call.id),
        provider=call.provider,
        provider_call_id=call.provider_call_id or "",
        direction=call.direction.value,
        status=call.status.value,
        outcome=call.outcome.value if call.outcome else "",
        assistant_id=call.assistant_id,
        campaign_id=call.campaign_id,
        contact_id=call.contact_id,
        customer_number=call.customer_number,
        ended_reason=call.ended_reason,
        started_at=_timestamp(call.started_at),
        ended_at=_timestamp(call.ended_at),
        duration_seconds=call.duration_seconds,
        cost_usd=f"{call.cost_usd:.4f}" if call.cost_usd is not None else None,
        success_evaluation=call.success_evaluation,
        summary=call.summary,
        recording_url=call.recording_url,
        provider_assistant_id=call.provider_assistant_id,
        priority=call.priority.value if call.priority else "",
        phone_number_id=call.phone_number_id,
        placement_infrastructure=call.placement_infrastructure
        or failed_by_infrastructure(call.status, call.ended_reason),
    )


def _lead_snapshot(lead: Lead) -> events_pb2.LeadSnapshot:
    return events_pb2.LeadSnapshot(
        id=str(lead.id),
        call_id=str(lead.last_call_id or ""),
        customer_number=lead.customer_number,
        customer_name=lead.customer_name,
        service_type=lead.service_type,
        priority=lead.priority.value,
        priority_reason=lead.priority_reason,
        sla_seconds=lead.sla_seconds,
        sla_due_at=_timestamp(lead.sla_due_at),
        address=lead.address,
        postal_code=lead.postal_code,
        problem_description=lead.problem_description,
        status=lead.status.value,
    )


def _timestamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp
