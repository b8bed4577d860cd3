"""The events customers can subscribe to, under the names they know them by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.errors import FieldViolation
from services.notify.errors import EventTypeUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """`source_type` is the type the services use among themselves; `data` is an example of the body's
    data."""

    name: str
    source_type: str
    description: str
    data: Mapping[str, Any]

    @property
    def example(self) -> dict[str, Any]:
        return {"type": self.name, "timestamp": "2026-11-21T14:03:12.481Z", "data": dict(self.data)}


_CALL: Final = {
    "id": "019aa5a4-6a0e-7c7f-9a35-0c5f7f1f4d01",
    "provider": "vapi",
    "providerCallId": "5b0d1c52-6a0e-4c7f-9a35-0c5f7f1f4d01",
    "direction": "INBOUND",
    "status": "IN_PROGRESS",
    "assistantId": "019aa5a4-0b7d-7f0c-8a7e-6d2c9e51aa01",
    "customerNumber": "+15145550123",
    "startedAt": "2026-11-21T14:01:02.117Z",
}
_ENDED: Final = {
    **_CALL,
    "status": "ENDED",
    "outcome": "HUMAN",
    "endedReason": "customer-ended-call",
    "endedAt": "2026-11-21T14:03:11.902Z",
    "durationSeconds": 129.785,
}
_REPORTED: Final = {
    **_ENDED,
    "costUsd": "0.1873",
    "successEvaluation": True,
    "summary": "The basement is under water; the caller wants somebody at once.",
    "priority": "P1",
}
_LEAD: Final = {
    "id": "019aa5a6-11aa-7b3c-8d4e-5f60718293a4",
    "callId": _CALL["id"],
    "customerNumber": "+15145550123",
    "customerName": "Marie Tremblay",
    "serviceType": "debouchage",
    "priority": "P1",
    "priorityReason": "urgence_immediate",
    "slaDueAt": "2026-11-21T14:03:11.902Z",
    "address": "1200, rue Ontario Est, Montréal",
    "postalCode": "H2L 1R1",
    "problemDescription": "Eau dans le sous-sol",
    "status": "NEW",
}
_CAMPAIGN: Final = {
    "id": "019aa5a7-2b4c-7d5e-9f60-718293a4b5c6",
    "name": "Spring inspections",
    "status": "RUNNING",
    "totalContacts": 60,
    "assistantId": _CALL["assistantId"],
}
_MESSAGE: Final = {
    "id": "019aa5a8-3c5d-7e6f-8071-8293a4b5c6d7",
    "to": "+15145550199",
    "status": "SENT",
    "alertId": "019aa5a8-4d6e-7f70-9182-93a4b5c6d7e8",
}

EVENT_TYPES: Final[Sequence[EventType]] = (
    EventType(
        name="call.started",
        source_type="callplane.call.started.v1",
        description="Both sides of a call are connected.",
        data={"call": _CALL},
    ),
    EventType(
        name="call.ended",
        source_type="callplane.call.ended.v1",
        description="A call is over. Cost and summary may follow with transcript.ready.",
        data={"call": _ENDED},
    ),
    EventType(
        name="call.failed",
        source_type="callplane.call.failed.v1",
        description="A call never came about, or broke on the provider's side.",
        data={"call": {**_CALL, "status": "FAILED", "endedReason": "assistant-error"}},
    ),
    EventType(
        name="conversation.updated",
        source_type="callplane.call.conversation_updated.v1",
        description="More of a conversation is known.",
        data={"call": _CALL, "lines": 4},
    ),
    EventType(
        name="transcript.ready",
        source_type="callplane.call.reported.v1",
        description="The report on an ended call is on record: transcript, summary, cost, evaluation.",
        data={"call": _REPORTED},
    ),
    EventType(
        name="lead.created",
        source_type="callplane.lead.created.v1",
        description="A caller's request was opened as a lead.",
        data={"lead": _LEAD},
    ),
    EventType(
        name="lead.sla_breached",
        source_type="callplane.lead.sla_breached.v1",
        description="Nobody took a lead up by the time its priority asks for. Sent once per lead.",
        data={"lead": _LEAD, "breachedAt": "2026-11-21T14:03:16.020Z"},
    ),
    EventType(
        name="campaign.started",
        source_type="callplane.campaign.started.v1",
        description="The first call of a campaign was placed.",
        data={"campaign": _CAMPAIGN},
    ),
    EventType(
        name="campaign.completed",
        source_type="callplane.campaign.completed.v1",
        description="Every contact of a campaign has been dealt with.",
        data={"campaign": {**_CAMPAIGN, "status": "COMPLETED"}},
    ),
    EventType(
        name="contact.skipped",
        source_type="callplane.contact.skipped.v1",
        description="A contact of a campaign will not be called.",
        data={
            "campaignId": _CAMPAIGN["id"],
            "contactId": "019aa5a7-5e7f-7081-8293-a4b5c6d7e8f9",
            "reason": "SUPPRESSED",
        },
    ),
    EventType(
        name="message.sent",
        source_type="callplane.message.sent.v1",
        description="The message provider took a text message.",
        data={"message": _MESSAGE},
    ),
    EventType(
        name="message.failed",
        source_type="callplane.message.failed.v1",
        description="A text message will not be delivered.",
        data={"message": {**_MESSAGE, "status": "FAILED", "errorCode": "30003"}},
    ),
    EventType(
        name="endpoint.disabled",
        source_type="callplane.endpoint.disabled.v1",
        description="A webhook was switched off: it answered 410 or failed for five days.",
        data={"webhookId": "019aa5a9-6f80-7182-93a4-b5c6d7e8f90a", "reason": "FAILING"},
    ),
)

_NAMES: Final = {event_type.source_type: event_type.name for event_type in EVENT_TYPES}
_KNOWN: Final = frozenset(_NAMES.values())


def public_name(source_type: str) -> str | None:
    """What customers call an event of our services; None if they do not get it."""
    return _NAMES.get(source_type)


def source_types(*, of: Sequence[str]) -> list[str]:
    """The services' types about the nouns `of` that customers get, for example of calls and leads."""
    return [
        event_type.source_type for event_type in EVENT_TYPES if event_type.source_type.split(".")[1] in of
    ]


def check_known(names: Sequence[str]) -> None:
    """Raises EventTypeUnknown with the first unknown name."""
    for position, name in enumerate(names):
        if name not in _KNOWN:
            raise EventTypeUnknown(
                metadata={"event_type": name[:100]},
                violations=[FieldViolation(f"events[{position}]", "is not an event type")],
            )
