"""What a voice provider's webhook is about, as far as the gateway needs to know: does the provider wait for
an answer?

    {"message": {"type": "tool-calls", ...}}

Only the type is looked at, and nothing that a body may hold raises here.
"""

from typing import Any, Final

import msgspec

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
        "voice-request",
        "campaign.predial",
    }
)

_TYPE_LENGTH_MAX: Final = 100


class _Message(msgspec.Struct):
    type: str = ""
    role: str = ""


class _Envelope(msgspec.Struct):
    message: _Message | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def type_of(body: bytes) -> str:
    """The provider's word without its filter (`transcript[...]` is `transcript`); empty if it cannot be
    read."""
    try:
        message = _decoder.decode(body).message
    except (ValueError, RecursionError):
        return ""
    if message is None:
        return ""
    if not message.type and message.role == "tool_calls":
        # Seen live: the request for a tool without its type.
        return "tool-calls"
    return message.type.partition("[")[0][:_TYPE_LENGTH_MAX]


def expects_answer(message_type: str) -> bool:
    return message_type in ANSWERED_TYPES


class _ToolCalls(msgspec.Struct, rename="camel"):
    # Live requests repeat the list under other names; the documented one comes first.
    tool_call_list: list[Any] = []
    tool_calls: list[Any] = []


class _ToolEnvelope(msgspec.Struct):
    message: _ToolCalls | None = None


_tool_decoder = msgspec.json.Decoder(_ToolEnvelope)


def tool_calls_of(body: bytes) -> list[tuple[str, str]]:
    """Id and name of each tool that is asked for; those without an id are left out."""
    try:
        message = _tool_decoder.decode(body).message
    except (ValueError, RecursionError):
        return []
    asked = message.tool_call_list or message.tool_calls if message else []
    return [
        (one["id"], _tool_name(one))
        for one in asked
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    ]


def _tool_name(call: dict[str, Any]) -> str:
    function = call.get("function")
    name = function.get("name") if isinstance(function, dict) else call.get("name")
    return name if isinstance(name, str) else ""
