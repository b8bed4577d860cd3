"""Vapi's webhooks, read tolerantly: no complete one ever seen fits the provider's own schema.

    {"message": {"type": "status-update", "timestamp": 1763020179693, "call": {"id": ...}, ...}}

Anything may be missing, null or of another type than documented; what cannot be used counts as absent. Only
a body without JSON, without a type or without a call is unreadable as a whole, and then it stays in the
ledger as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypedDict
from uuid import UUID

import msgspec
import re2

from services.calls.domain.webhooks import plain_id, plain_type

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is the message, `call` the snapshot of the call in it: made when the call was created, and
    not current. `json` is the whole message as it came, empty if it had to be changed to be stored; where it
    is not, `content` may hold less (see `read_told`)."""

    type: str
    told_at: datetime | None
    provider_call_id: str
    own_call_id: UUID | None
    content: Mapping[str, Any]
    call: Mapping[str, Any]
    json: str = ""


class _Envelope(msgspec.Struct):
    message: msgspec.Raw = msgspec.Raw()


class _Assistant(TypedDict, total=False):
    id: Any
    metadata: Any


class _Call(TypedDict, total=False):
    id: Any
    type: Any
    status: Any
    name: Any
    metadata: Any
    assistantOverrides: Any
    assistantId: Any
    phoneNumberId: Any
    phoneNumber: Any
    customer: Any
    endedReason: Any


class _Told(TypedDict, total=False):
    """The members of a message that say something about its call while it goes on."""

    type: Any
    role: Any
    timestamp: Any
    call: _Call
    status: Any
    endedReason: Any
    customer: Any
    phoneNumber: Any
    assistant: _Assistant | None
    messages: Any
    messagesOpenAIFormatted: Any
    transcript: Any
    transcriptType: Any
    toolCallList: Any
    toolCalls: Any
    toolWithToolCallList: Any


class _Reported(_Told, total=False):
    """The members of a report; others of these are in every message, and say nothing new there."""

    analysis: Any
    artifact: Any
    startedAt: Any
    endedAt: Any
    durationSeconds: Any
    durationMs: Any
    durationMinutes: Any
    cost: Any
    costs: Any
    costBreakdown: Any
    summary: Any
    recordingUrl: Any
    stereoRecordingUrl: Any


_envelopes: Final = msgspec.json.Decoder(_Envelope)
_told: Final = msgspec.json.Decoder(_Told)
_reported: Final = msgspec.json.Decoder(_Reported)
# Escapes, whole numbers beyond 64 bits and exponents beyond any float: read and stored by those who look.
_UNUSUAL: Final = re2.compile(rb"\\u|[:,\[\s]-?(?:[0-9]{19}|[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{3})")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a webhook cannot become part of the record."""

    reason: str


def document_of(body: bytes) -> Any:
    """The JSON, in values that can be stored. Raises ValueError or RecursionError if there is none."""
    document = msgspec.json.decode(body)
    return _storable(document) if b"\\u0000" in body else document


def read(body: bytes) -> Message | Unreadable:
    """Never raises."""
    try:
        document = document_of(body)
    except (ValueError, RecursionError):
        return Unreadable("NOT_JSON")
    if not isinstance(document, dict):
        return Unreadable("NOT_AN_OBJECT")
    content = document.get("message", document)
    if not isinstance(content, dict):
        return Unreadable("NO_MESSAGE")
    call = mapping(content.get("call"))
    if not call and (beside := mapping(document.get("call"))):
        # Part of the message from here on, so that what is kept of it is complete.
        return _message({**content, "call": beside}, call=beside)
    return _message(content, call=call)


def read_told(body: bytes) -> Message | Unreadable:
    """As `read`, of a usual body without what nobody asks for: half a million members that nobody knows would
    hold up everything else. Never raises."""
    try:
        if _UNUSUAL.search(body) is None:
            message = _envelopes.decode(body).message
            content = _told.decode(message)
            if _type_of(content) == "end-of-call-report":
                content = _reported.decode(message)
            if content.get("call"):
                return _message(content, call=content["call"], json=bytes(message).decode())
    except (ValueError, RecursionError):
        pass
    return read(body)


def whole(message: Message) -> Mapping[str, Any]:
    """Everything a message holds."""
    return msgspec.json.decode(message.json, type=dict[str, Any]) if message.json else message.content


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any, *, length_max: int = 500) -> str:
    return value.strip()[:length_max] if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def moment(value: Any) -> datetime | None:
    """ISO text, or milliseconds since 1970; None for anything else and for times out of this century."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        elif (milliseconds := number(value)) is not None:
            found = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found if _EARLIEST <= found.timestamp() * 1000 < _LATEST else None


def milliseconds(at: datetime) -> float:
    return round(at.timestamp() * 1000, 3)


def _message(content: Mapping[str, Any], *, call: Mapping[str, Any], json: str = "") -> Message | Unreadable:
    kind = _type_of(content)
    if not kind and content.get("role") == "tool_calls":
        kind = "tool-calls"
    if not kind:
        return Unreadable("NO_TYPE")
    provider_call_id = plain_id(call.get("id"))
    if not provider_call_id:
        return Unreadable("NO_CALL_ID")
    return Message(
        type=kind,
        told_at=moment(content.get("timestamp")),
        provider_call_id=provider_call_id,
        own_call_id=_own_call_id(call, assistant=mapping(content.get("assistant"))),
        content=content,
        call=call,
        json=json,
    )


def _type_of(content: Mapping[str, Any]) -> str:
    word = content.get("type")
    return plain_type(word) if isinstance(word, str) else ""


def _own_call_id(call: Mapping[str, Any], *, assistant: Mapping[str, Any]) -> UUID | None:
    """Our id travels as the call's name and in its metadata, which some messages show as the assistant's."""
    overrides = mapping(call.get("assistantOverrides"))
    told = [
        mapping(overrides.get("metadata")).get("callplaneCallId"),
        mapping(call.get("metadata")).get("callplaneCallId"),
        mapping(assistant.get("metadata")).get("callplaneCallId"),
        call.get("name"),
    ]
    return next((found for value in told if (found := _uuid(value)) is not None), None)


def _uuid(value: Any) -> UUID | None:
    if not isinstance(value, str) or len(value.strip()) != 36:
        return None
    try:
        return UUID(value.strip())
    except ValueError:
        return None


def _storable(value: Any) -> Any:
    """PostgreSQL's jsonb holds everything but U+0000."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {key.replace("\x00", ""): _storable(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value
