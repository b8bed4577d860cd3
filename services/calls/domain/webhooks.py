"""What the ledger has to know about a webhook before anybody looks into it, and what makes two of them the
same.

The provider gives no event id. Two webhooks are the same if call, type and what sets this type's events
apart are; the body's hash would not do, because addresses in it are signed anew for every delivery.

What every webhook passes through is a struct, which is made in a twentieth of the time that a frozen
dataclass takes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

_TYPE_LENGTH_MAX: Final = 100
_ID_LENGTH_MAX: Final = 100


class IncomingWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook whose signature was right."""

    source_id: UUID
    org_id: UUID
    provider: str
    body: bytes
    received_at: datetime
    traceparent: str
    # Takes calls of the source that no route says anything about; the provider's id.
    default_assistant_id: str = ""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """`type` and `provider_call_id` are empty if they could not be read."""

    type: str
    provider_call_id: str
    dedupe_key: bytes


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it stands in the ledger."""

    id: UUID
    org_id: UUID
    # None of one that was made again from what the record holds.
    source_id: UUID | None = None
    provider: str
    body: bytes
    received_at: datetime
    traceparent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """An entry as it is shown to people, with what became of it."""

    id: UUID
    provider: str
    source_id: UUID
    type: str
    provider_call_id: str
    call_id: UUID | None
    state: str
    reason: str
    size_bytes: int
    received_at: datetime


class _Call(msgspec.Struct):
    id: str = ""


class _ToolCall(msgspec.Struct):
    id: str = ""


class _Message(msgspec.Struct, rename="camel"):
    type: str = ""
    timestamp: float | str | None = None
    call: _Call | None = None
    status: str = ""
    ended_reason: str | None = None
    role: str = ""
    turn: float | None = None
    transcript_type: str = ""
    text: str = ""
    tool_call_list: list[_ToolCall] = []
    tool_calls: list[_ToolCall] = []


class _Body(_Message, rename="camel"):
    # A message may also come without its envelope.
    message: _Message | None = None


_decoder = msgspec.json.Decoder(_Body)


def head_of(body: bytes) -> Head:
    """Never raises, whatever the body is."""
    try:
        parsed = _decoder.decode(body)
    except (ValueError, RecursionError):
        # Not JSON at all, or JSON whose fields have other types than usual.
        return _head_of_unusual(body)
    message = parsed.message or parsed
    call_id = (message.call.id if message.call else "") or (parsed.call.id if parsed.call else "")
    return _head(message, call_id=call_id, body=body)


def plain_type(word: str) -> str:
    """`transcript[transcriptType="final"]` is `transcript`."""
    return word.partition("[")[0].strip().replace("\x00", "")[:_TYPE_LENGTH_MAX]


def plain_id(value: Any) -> str:
    return value.replace("\x00", "").strip()[:_ID_LENGTH_MAX] if isinstance(value, str) else ""


def _head(message: _Message, *, call_id: str, body: bytes) -> Head:
    kind = plain_type(message.type)
    if not kind and message.role == "tool_calls":
        # Seen live: the request for a tool without its type.
        kind = "tool-calls"
    call_id = plain_id(call_id)
    identity = _identity(kind, message) if kind and call_id else None
    if identity is None:
        return Head(type=kind, provider_call_id=call_id, dedupe_key=_digest(_canonical(body)))
    return Head(
        type=kind, provider_call_id=call_id, dedupe_key=_digest(repr((call_id, kind, *identity)).encode())
    )


def _identity(kind: str, message: _Message) -> Sequence[object] | None:
    """What sets this event apart from the others of its type and call; None if only its content does."""
    if kind == "status-update" and message.status:
        return message.status, message.ended_reason
    tool_call_ids = sorted(call.id for call in message.tool_call_list or message.tool_calls if call.id)
    if kind == "tool-calls" and tool_call_ids:
        return tool_call_ids
    if message.timestamp is None:
        return None
    return (
        message.timestamp,
        message.status,
        message.role,
        message.turn,
        message.transcript_type,
        message.text,
    )


def _head_of_unusual(body: bytes) -> Head:
    try:
        document = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return Head(type="", provider_call_id="", dedupe_key=_digest(body))
    message = document.get("message", document) if isinstance(document, dict) else None
    message = message if isinstance(message, dict) else {}
    word, call = (
        message.get("type"),
        message.get("call") or (isinstance(document, dict) and document.get("call")),
    )
    return Head(
        type=plain_type(word) if isinstance(word, str) else "",
        provider_call_id=plain_id(call.get("id")) if isinstance(call, dict) else "",
        dedupe_key=_digest(_canonical(body)),
    )


def _canonical(body: bytes) -> bytes:
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    except (ValueError, OverflowError, RecursionError):
        return body


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
