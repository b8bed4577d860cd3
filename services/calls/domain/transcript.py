"""The conversation of a call, from whichever webhook tells it best.

A report tells all of it, a conversation update all of it so far, a live transcript one utterance. The lines
of one call come from one source: the best one so far, and of that one the latest.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from services.calls.domain.call import TranscriptSource
from services.calls.domain.messages import Message, mapping, mappings, moment, number, text
from services.calls.domain.screening import is_screening

LINES_MAX: Final = 5_000
_LINE_LENGTH_MAX: Final = 20_000

_ROLES: Final = {
    "user": "USER",
    "customer": "USER",
    "assistant": "ASSISTANT",
    "bot": "ASSISTANT",
    "ai": "ASSISTANT",
    "system": "SYSTEM",
    "tool": "TOOL",
    "tool_calls": "TOOL",
    "tool_call_result": "TOOL",
    "function": "TOOL",
}
# How long it took, when it ended, which tool it was about, who said it among several.
_METADATA: Final = (
    "duration", "endTime", "toolCallId", "name", "source", "speakerLabel", "assistantName", "isFiltered",
)  # fmt: skip
_METADATA_LENGTH_MAX: Final = 100
_METADATA_NUMBER_MAX: Final = 1e15
# Two utterances of the same millisecond are told apart by who speaks.
_TURNS: Final = {"USER": 0, "ASSISTANT": 1, "SYSTEM": 2, "TOOL": 3}
_SPEAKER: Final = re.compile(r"^(AI|User|Assistant|Bot|Customer)\s*:\s*", re.IGNORECASE)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    line_no: int
    role: str
    message: str
    seconds_from_start: float | None = None
    spoken_at: datetime | None = None
    confidence: float | None = None
    # What else the provider told about the utterance.
    metadata: Mapping[str, Any] | None = None


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """The lines one webhook tells. All of the conversation, unless `source` is LIVE."""

    source: TranscriptSource
    lines: Sequence[Line]

    @property
    def digest(self) -> str:
        return _digest(self.lines)

    def beyond(self, count: int, digest: str) -> "Telling | None":
        """The lines after the first `count`, if there are any; None unless those have this digest."""
        if len(self.lines) <= count:
            return None
        known, added = self.lines[:count], self.lines[count:]
        return replace(self, lines=added) if _digest(known) == digest else None

    @property
    def user_spoke(self) -> bool:
        """A person did; the telephone's own screening is none."""
        return any(line.role == "USER" and not is_screening(line.message) for line in self.lines)

    @property
    def screened(self) -> bool:
        return any(line.role == "USER" and is_screening(line.message) for line in self.lines)


def _digest(lines: Sequence[Line]) -> str:
    return hashlib.blake2b(msgspec.json.encode(lines), digest_size=8).hexdigest()


def telling_of(message: Message) -> Telling | None:
    """None if the webhook says nothing about the conversation."""
    match message.type:
        case "end-of-call-report":
            lines = _report_lines(message.content)
            return Telling(source=TranscriptSource.REPORT, lines=lines) if lines else None
        case "conversation-update":
            lines = _lines(message.content.get("messages")) or _lines(
                message.content.get("messagesOpenAIFormatted")
            )
            return Telling(source=TranscriptSource.CONVERSATION, lines=lines) if lines else None
        case "transcript":
            live = _live_line(message)
            return Telling(source=TranscriptSource.LIVE, lines=[live]) if live else None
        case _:
            return None


def _report_lines(content: Mapping[str, Any]) -> list[Line]:
    artifact = mapping(content.get("artifact"))
    for messages in (artifact.get("messages"), content.get("messages")):
        if lines := _lines(messages):
            return lines
    written = text(artifact.get("transcript"), length_max=1_000_000) or text(
        content.get("transcript"), length_max=1_000_000
    )
    return _written_lines(written)


def _lines(messages: Any) -> list[Line]:
    lines: list[Line] = []
    for message in mappings(messages)[:LINES_MAX]:
        role = _ROLES.get(str(message.get("role")).lower())
        said = _said(message)
        if role and said:
            lines.append(
                Line(
                    line_no=len(lines),
                    role=role,
                    message=said,
                    seconds_from_start=_not_negative(message.get("secondsFromStart")),
                    spoken_at=moment(message.get("time")),
                    confidence=_confidence(message),
                    metadata=_metadata(message),
                )
            )
    return lines


def _said(message: Mapping[str, Any]) -> str:
    for key in ("message", "content", "result"):
        if said := text(message.get(key), length_max=_LINE_LENGTH_MAX):
            return said
    names = [text(mapping(call.get("function")).get("name")) for call in mappings(message.get("toolCalls"))]
    return ", ".join(filter(None, names))


def _written_lines(written: str) -> list[Line]:
    """`AI: Hello.\\nUser: Hi.`; a text without speakers tells nothing about who said what."""
    lines: list[Line] = []
    for paragraph in written.splitlines()[:LINES_MAX]:
        speaker = _SPEAKER.match(paragraph)
        said = paragraph[speaker.end() :].strip() if speaker else paragraph.strip()
        if speaker and said:
            role = _ROLES[speaker[1].lower()]
            lines.append(Line(line_no=len(lines), role=role, message=said[:_LINE_LENGTH_MAX]))
        elif said and lines:
            before = lines.pop()
            joined = f"{before.message}\n{said}"[:_LINE_LENGTH_MAX]
            lines.append(Line(line_no=before.line_no, role=before.role, message=joined))
    return lines


def _live_line(message: Message) -> Line | None:
    """Partial transcripts are superseded by the final one."""
    role = _ROLES.get(str(message.content.get("role")).lower())
    said = text(message.content.get("transcript"), length_max=_LINE_LENGTH_MAX)
    if message.content.get("transcriptType") == "partial" or not role or not said or message.told_at is None:
        return None
    line_no = round(message.told_at.timestamp() * 1000) * 10 + _TURNS[role]
    return Line(line_no=line_no, role=role, message=said, spoken_at=message.told_at)


def _confidence(message: Mapping[str, Any]) -> float | None:
    told = number(message.get("confidence"))
    if told is None:
        told = number(mapping(message.get("metadata")).get("confidence"))
    return told if told is not None and 0 <= told <= 1 else None


def _metadata(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Plain values only: what has members repeats the words."""
    told = {name: message[name] for name in _METADATA if isinstance(message.get(name), str | int | float)}
    kept = {
        name: value[:_METADATA_LENGTH_MAX] if isinstance(value, str) else value
        for name, value in told.items()
        if not isinstance(value, int | float) or abs(value) < _METADATA_NUMBER_MAX
    }
    return kept or None


def _not_negative(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and 0 <= found < 1_000_000 else None
