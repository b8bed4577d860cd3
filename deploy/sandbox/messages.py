"""The shapes of Vapi's server messages."""

from __future__ import annotations

from typing import Any

import msgspec

from deploy.sandbox.call import Call, openai_messages, recordings, snapshot
from deploy.sandbox.moments import milliseconds, now

# What Vapi sends when an assistant does not say which messages it wants; `transcript` is not among them.
DEFAULT_SERVER_MESSAGES = frozenset(
    {
        "conversation-update",
        "end-of-call-report",
        "function-call",
        "hang",
        "speech-update",
        "status-update",
        "tool-calls",
        "transfer-destination-request",
        "handoff-destination-request",
        "user-interrupted",
        "assistant.started",
    }
)
# Average latencies in milliseconds; nothing is measured here.
_PERFORMANCE = {
    "turnLatencies": [],
    "modelLatencyAverage": 612.5,
    "voiceLatencyAverage": 187.0,
    "transcriberLatencyAverage": 141.0,
    "endpointingLatencyAverage": 48.0,
    "turnLatencyAverage": 988.5,
}
# Asked before an assistant is known, hence not subject to its choice.
_ALWAYS_SENT = frozenset({"assistant-request"})


def wanted(assistant: dict[str, Any] | None, message_type: str, *, transcript_type: str = "") -> str | None:
    """The type to send the message under, or None when the assistant did not ask for it."""
    chosen = (assistant or {}).get("serverMessages")
    types = DEFAULT_SERVER_MESSAGES if chosen is None else frozenset(chosen)
    if message_type in types or message_type in _ALWAYS_SENT:
        return message_type
    filtered = 'transcript[transcriptType="final"]'
    if message_type == "transcript" and transcript_type == "final" and filtered in types:
        return filtered
    return None


def envelope(
    call: Call,
    message_type: str,
    fields: dict[str, Any],
    *,
    phone_number: dict[str, Any] | None,
    assistant: dict[str, Any] | None,
) -> dict[str, Any]:
    """`message` of a webhook: its own fields, then what every message carries."""
    message: dict[str, Any] = {"timestamp": milliseconds(now()), "type": message_type, **fields}
    message["call"] = snapshot(call)
    if phone_number is not None:
        message["phoneNumber"] = phone_number
    message["customer"] = call.customer
    if assistant is not None:
        message["assistant"] = assistant
    if message_type != "assistant-request":
        message.setdefault("artifact", artifact(call.messages))
    return message


def artifact(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {"messages": list(messages), "messagesOpenAIFormatted": openai_messages(messages)}


def status_update(status: str, *, ended_reason: str | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = {"status": status}
    if ended_reason is not None:
        fields |= {"endedReason": ended_reason, "inboundPhoneCallDebuggingArtifacts": {}}
    return fields


def conversation_update(messages: list[dict[str, Any]]) -> dict[str, Any]:
    formatted = openai_messages(messages)
    return {"conversation": formatted, "messages": list(messages), "messagesOpenAIFormatted": formatted}


def transcript(role: str, transcript_type: str, text: str) -> dict[str, Any]:
    return {
        "role": role,
        "transcriptType": transcript_type,
        "transcript": text,
        "isFiltered": False,
        "detectedThreats": [],
        "originalTranscript": text,
    }


def tool_call(tool_call_id: str, name: str, arguments: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """A tool call of the model; live ones carry the arguments as an object or as JSON text."""
    spelled = msgspec.json.encode(arguments).decode() if as_text else arguments
    return {"id": tool_call_id, "type": "function", "function": {"name": name, "arguments": spelled}}


def tool_calls(calls: list[dict[str, Any]], *, assistant: dict[str, Any] | None) -> dict[str, Any]:
    with_tools = [
        {**tool_definition(assistant, call["function"]["name"]), "toolCall": call} for call in calls
    ]
    return {"toolCalls": calls, "toolCallList": calls, "toolWithToolCallList": with_tools}


def tool_definition(assistant: dict[str, Any] | None, name: str) -> dict[str, Any]:
    """The assistant's tool of that name, or the bare minimum when it has none."""
    for tool in ((assistant or {}).get("model") or {}).get("tools") or []:
        if (tool.get("function") or {}).get("name") == name:
            return {"messages": [], "async": False, **tool}
    parameters = {"type": "object", "properties": {}}
    return {
        "type": "function",
        "async": False,
        "messages": [],
        "function": {"name": name, "parameters": parameters},
    }


def end_of_call_report(call: Call, *, duration_seconds: float) -> dict[str, Any]:
    analysis = call.analysis or {}
    addresses = recordings(call)
    fields: dict[str, Any] = {
        "analysis": analysis,
        "artifact": {
            **artifact(call.messages),
            "transcript": call.transcript,
            **addresses,
            "performanceMetrics": _PERFORMANCE if call.started_at else {},
        },
        "endedReason": call.ended_reason,
        "cost": call.cost,
        "costBreakdown": call.cost_breakdown or {},
        "costs": call.costs,
        "durationMs": round(duration_seconds * 1000),
        "durationSeconds": round(duration_seconds, 3),
        "durationMinutes": round(duration_seconds / 60, 4),
        "summary": analysis.get("summary", ""),
        "transcript": call.transcript,
        "messages": call.messages,
    }
    moments = {"startedAt": call.started_at, "endedAt": call.ended_at}
    fields |= {name: moment for name, moment in moments.items() if moment is not None}
    fields |= {name: url for name, url in addresses.items() if isinstance(url, str)}
    return fields
