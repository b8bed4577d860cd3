"""What the provider shows about a call, put as the message it would have sent: so that the fold of messages
stays the only writer of what the provider told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from services.calls.domain.placement import ProviderCall

# What a message carries about the call itself: who and where, none of what changes.
_IDENTITY: Final = (
    "id", "orgId", "type", "name", "metadata", "assistantId", "assistantOverrides", "phoneNumberId",
    "customer", "createdAt", "phoneCallProvider", "phoneCallProviderId",
)  # fmt: skip
_REPORTED: Final = (
    "endedReason", "startedAt", "endedAt", "cost", "costBreakdown", "costs", "analysis", "artifact",
    "summary", "transcript", "messages", "recordingUrl", "stereoRecordingUrl", "destination", "compliance",
)  # fmt: skip
# Ours, for each of the provider's, as far as it is a step forward.
_STEPS: Final[Mapping[str, Mapping[str, str]]] = {
    # Nothing is known.
    "": {
        "scheduled": "scheduled",
        "queued": "queued",
        "ringing": "ringing",
        "in-progress": "in-progress",
        "forwarding": "in-progress",
    },
    "QUEUED": {"ringing": "ringing", "in-progress": "in-progress", "forwarding": "in-progress"},
    "RINGING": {"in-progress": "in-progress", "forwarding": "in-progress"},
    "IN_PROGRESS": {},
}


def is_reportable(found: ProviderCall) -> bool:
    """Whether the provider has finished with the call: its analysis is in, or there was no talk."""
    document = found.document
    return found.ended and (
        not document.get("startedAt") or any(key in document for key in ("analysis", "artifact"))
    )


def ended_at(found: ProviderCall) -> datetime | None:
    return _moment(found.document.get("endedAt"))


def message(found: ProviderCall, *, known_status: str, overdue: bool = True) -> dict[str, Any] | None:
    """None if the provider shows nothing beyond the status we know; an empty status is that of a call we
    never heard of. `overdue`: what the provider does not show by now it never will."""
    document = found.document
    common = {
        "timestamp": _told_at(document),
        "call": {key: document[key] for key in _IDENTITY if document.get(key) is not None},
        "customer": document.get("customer"),
    }
    if found.ended and not overdue and not is_reportable(found):
        reason = document.get("endedReason")
        return {"type": "status-update", "status": "ended", "endedReason": reason, **common}
    if found.ended:
        reported = {key: document[key] for key in _REPORTED if document.get(key) is not None}
        return {"type": "end-of-call-report", "analysis": {}, "artifact": {}, **reported, **common}
    status = _STEPS.get(known_status, {}).get(found.status)
    if status is None:
        return None
    return {"type": "status-update", "status": status, **common}


def body(message: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(
        {"message": {key: value for key, value in message.items() if value is not None}}
    )


def _told_at(document: Mapping[str, Any]) -> int:
    """When the provider last changed the call, in milliseconds: it knew all this then."""
    for key in ("updatedAt", "endedAt", "createdAt"):
        found = _moment(document.get(key))
        if found is not None:
            return round(found.timestamp() * 1000)
    return 0


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
