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
    "QUEUED": {"ringing": "ringing", "in-progress": "in-progress", "forwarding": "in-progress"},
    "RINGING": {"in-progress": "in-progress", "forwarding": "in-progress"},
    "IN_PROGRESS": {},
}


def message(found: ProviderCall, *, known_status: str) -> dict[str, Any] | None:
    """None if the provider shows nothing beyond the status we know."""
    document = found.document
    common = {
        "timestamp": _told_at(document),
        "call": {key: document[key] for key in _IDENTITY if document.get(key) is not None},
        "customer": document.get("customer"),
    }
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
        value = document.get(key)
        if isinstance(value, str):
            try:
                return round(datetime.fromisoformat(value).timestamp() * 1000)
            except ValueError:
                continue
    return 0
