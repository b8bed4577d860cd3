"""What a voice provider's webhook is about, as far as the gateway needs to know: does the provider wait for
an answer?

    {"message": {"type": "tool-calls", ...}}

The message may also come without its envelope. Only the type is looked at, and nothing that a body may hold
raises here.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

VOICE_REQUEST: Final = "voice-request"

# The provider waits for what we answer; everything else is acknowledged.
ANSWERED_TYPES: Final = frozenset(
    {
        "assistant-request",
        "tool-calls",
        "function-call",
        "transfer-destination-request",
        "handoff-destination-request",
        "knowledge-base-request",
        "call.endpointing.request",
        VOICE_REQUEST,
        "campaign.predial",
    }
)

_TYPE_LENGTH_MAX: Final = 100
_SAMPLE_RATES: Final = range(4_000, 192_001)
_SAMPLE_RATE: Final = 24_000


class _Message(msgspec.Struct):
    # Any, because one field of another type than documented must not hide the others.
    type: Any = ""
    role: Any = ""


class _Envelope(_Message):
    message: _Message | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def type_of(body: bytes) -> str:
    """The provider's word without its filter (`transcript[...]` is `transcript`); empty if it cannot be
    read."""
    try:
        envelope = _decoder.decode(body)
    except (ValueError, RecursionError):
        return ""
    message = envelope.message or envelope
    if not message.type and message.role == "tool_calls":
        # Seen live: the request for a tool without its type.
        return "tool-calls"
    return message.type.partition("[")[0].strip()[:_TYPE_LENGTH_MAX] if isinstance(message.type, str) else ""


def expects_answer(message_type: str) -> bool:
    return message_type in ANSWERED_TYPES


def sample_rate_of(body: bytes) -> int:
    """Samples per second that speech is asked for in; a usual one if the request does not say."""
    told = _message_of(body).get("sampleRate")
    return told if isinstance(told, int) and told in _SAMPLE_RATES else _SAMPLE_RATE


def tool_calls_of(body: bytes) -> list[tuple[str, str]]:
    """Id and name of each tool that is asked for; those without an id are left out."""
    message = _message_of(body)
    # Live requests repeat the list under other names; the documented one comes first.
    lists = (message.get(name) for name in ("toolCallList", "toolCalls", "toolWithToolCallList"))
    asked = next((found for found in lists if isinstance(found, list) and found), [])
    calls = [{**one, **_mapping(one.get("toolCall"))} for one in asked if isinstance(one, dict)]
    return [(call["id"], _tool_name(call)) for call in calls if isinstance(call.get("id"), str)]


def _tool_name(call: Mapping[str, Any]) -> str:
    name = _mapping(call.get("function")).get("name") or call.get("name")
    return name if isinstance(name, str) else ""


def _message_of(body: bytes) -> Mapping[str, Any]:
    """All of it; for the few bodies that need more than their type. Empty if there is none."""
    try:
        document = _mapping(msgspec.json.decode(body))
    except (ValueError, RecursionError):
        return {}
    return _mapping(document.get("message", document))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
