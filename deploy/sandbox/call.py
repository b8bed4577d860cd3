"""One call as the provider sees it, shown in two ways: as it is now, and as it was when created."""

from __future__ import annotations

from typing import Any

import msgspec

from deploy.sandbox.config import VAPI_ORG_ID

ENDED = "ended"
ACTIVE_STATUSES = frozenset({"queued", "ringing", "in-progress", "forwarding"})


class Call(msgspec.Struct, rename="camel", kw_only=True):
    id: str
    org_id: str = VAPI_ORG_ID
    type: str
    status: str
    created_at: str
    updated_at: str
    first_status: str
    phone_number_id: str | None = None
    assistant_id: str | None = None
    assistant: dict[str, Any] | None = None
    assistant_overrides: dict[str, Any] | None = None
    customer: dict[str, Any]
    name: str | None = None
    metadata: dict[str, Any] | None = None
    schedule_plan: dict[str, Any] | None = None
    provider_sid: str
    script: str
    outcome: str | None = None
    traceparent: str = ""
    asked_for_assistant: bool = False
    started_at: str | None = None
    ended_at: str | None = None
    ended_reason: str | None = None
    messages: list[dict[str, Any]] = []
    transcript: str = ""
    analysis: dict[str, Any] | None = None
    cost: float = 0.0
    costs: list[dict[str, Any]] = []
    cost_breakdown: dict[str, Any] | None = None
    recording_url: str | None = None
    reported: bool = False
    deleted: bool = False
    timeline: list[dict[str, str]] = []

    @property
    def outbound(self) -> bool:
        return self.type == "outboundPhoneCall"

    @property
    def active(self) -> bool:
        return self.status in ACTIVE_STATUSES

    @property
    def all_metadata(self) -> dict[str, Any]:
        """Metadata from wherever its creator put it; the overrides win."""
        return {**(self.metadata or {}), **((self.assistant_overrides or {}).get("metadata") or {})}

    @property
    def campaign_id(self) -> str | None:
        value = self.all_metadata.get("campaignId")
        return str(value) if value else None

    def note(self, what: str, at: str) -> None:
        if len(self.timeline) < 500:
            self.timeline.append({"at": at, "what": what})


def snapshot(call: Call) -> dict[str, Any]:
    """The call as it was when created: this, not its present state, is what every webhook carries."""
    shown = {
        **_identity(call),
        "updatedAt": call.created_at,
        "status": call.first_status,
        "cost": 0,
    }
    if call.asked_for_assistant:
        shown |= {"assistantId": None, "squadId": None}
        shown.pop("assistant", None)
    return shown


def resource(call: Call, *, control_url: str) -> dict[str, Any]:
    """The call as Vapi's REST API answers it, absent fields left out."""
    shown = {
        **_identity(call),
        "updatedAt": call.updated_at,
        "status": call.status,
        "startedAt": call.started_at,
        "endedAt": call.ended_at,
        "endedReason": call.ended_reason,
        "cost": call.cost,
        "monitor": {"controlUrl": control_url} if call.active else None,
    }
    if call.reported:
        shown |= _outcome(call)
    return {name: value for name, value in shown.items() if value is not None}


def recordings(call: Call) -> dict[str, Any]:
    """Addresses of the recording as an artifact holds them; none when there was no talk."""
    if call.recording_url is None:
        return {"recording": {}}
    mono, stereo = f"{call.recording_url}-mono.wav", f"{call.recording_url}-stereo.wav"
    return {
        "recordingUrl": mono,
        "stereoRecordingUrl": stereo,
        "recording": {"stereoUrl": stereo, "mono": {"combinedUrl": mono}},
    }


def openai_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same conversation in OpenAI's roles; tool calls have no text there."""
    roles = {"bot": "assistant", "user": "user", "system": "system", "tool_calls": "assistant"}
    formatted = []
    for message in messages:
        if message["role"] == "tool_call_result":
            formatted.append(
                {"role": "tool", "content": message["result"], "tool_call_id": message["toolCallId"]}
            )
        else:
            formatted.append({"role": roles[message["role"]], "content": message.get("message", "")})
    return formatted


def _identity(call: Call) -> dict[str, Any]:
    shown = {
        "id": call.id,
        "orgId": call.org_id,
        "createdAt": call.created_at,
        "type": call.type,
        "phoneCallProvider": "twilio",
        "phoneCallProviderId": call.provider_sid,
        "phoneCallTransport": "pstn",
        "phoneNumberId": call.phone_number_id,
        "assistantId": call.assistant_id,
        "assistant": call.assistant,
        "assistantOverrides": call.assistant_overrides,
        "customer": call.customer,
        "name": call.name,
        "metadata": call.metadata,
        "schedulePlan": call.schedule_plan,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _outcome(call: Call) -> dict[str, Any]:
    return {
        "analysis": call.analysis or {},
        "artifact": {
            "messages": call.messages,
            "messagesOpenAIFormatted": openai_messages(call.messages),
            "transcript": call.transcript,
            **recordings(call),
        },
        "costs": call.costs,
        "costBreakdown": call.cost_breakdown or {},
        "messages": call.messages,
        "transcript": call.transcript,
        "summary": (call.analysis or {}).get("summary", ""),
        **{name: url for name, url in recordings(call).items() if isinstance(url, str)},
    }
