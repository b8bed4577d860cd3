"""What one webhook says about its call, as facts.

Status, reason, cost and times are taken from the message; the snapshot of the call inside it dates from the
call's creation and is believed only where nothing better is known.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import msgspec

from services.calls.domain.call import Direction, Status, TranscriptSource
from services.calls.domain.customer import caller_number, customer_data, customer_data_of_tool
from services.calls.domain.facts import EVENT, REPORT, SNAPSHOT, Fact
from services.calls.domain.messages import Message, mapping, mappings, milliseconds, moment, number, text
from services.calls.domain.tools import tool_uses
from services.calls.domain.transcript import Telling

# Below a snapshot: a number somebody told, beside the one the telephone network shows.
HEARSAY: Final = 0

# The rank of a status is its authority: the furthest one ever told stays.
_RANKS: Final = {Status.QUEUED: 1, Status.RINGING: 2, Status.IN_PROGRESS: 3, Status.ENDED: 4}
_STATUSES: Final[Mapping[str, Status]] = {
    "scheduled": Status.QUEUED,
    "queued": Status.QUEUED,
    "ringing": Status.RINGING,
    "in-progress": Status.IN_PROGRESS,
    "forwarding": Status.IN_PROGRESS,
    "ended": Status.ENDED,
}
# Nobody says these things before both sides are connected.
_TALKING: Final = frozenset(
    {
        "speech-update",
        "transcript",
        "user-interrupted",
        "assistant.speechStarted",
        "tool-calls",
        "function-call",
        "voice-input",
        "language-change-detected",
        "language-changed",
        "transfer-update",
    }
)

# What comes with every turn of a conversation, and mostly tells only that it goes on.
CHATTER: Final = frozenset(
    {
        "speech-update",
        "transcript",
        "conversation-update",
        "model-output",
        "user-interrupted",
        "assistant.speechStarted",
        "voice-input",
    }
)
# So precisely is known when one of these came; else each would write its call's row anew.
CHATTER_MILLISECONDS: Final = 15_000

_DIRECTIONS: Final = {
    "inboundPhoneCall": Direction.INBOUND,
    "outboundPhoneCall": Direction.OUTBOUND,
    "webCall": Direction.INBOUND,
    "vapi.websocketCall": Direction.INBOUND,
}
_SOURCES: Final = {
    TranscriptSource.LIVE: SNAPSHOT,
    TranscriptSource.CONVERSATION: EVENT,
    TranscriptSource.REPORT: REPORT,
}
_COST_MAX: Final = Decimal(1_000_000)
_SUMMARY_LENGTH_MAX: Final = 20_000
_URL_LENGTH_MAX: Final = 4_000


class _Facts(dict[str, Fact]):
    """Leaves out what was not told; of two tellings in one webhook the one with more authority stays."""

    def tell(self, field: str, value: Any, *, authority: int, order: float) -> None:
        if value not in (None, "", {}) and (field not in self or self[field][0] < authority):
            self[field] = [authority, order, value]


def status_told(message: Message) -> Status | None:
    """The status this webhook alone would give the call; how an ended one ended is decided with all the
    facts."""
    if message.type == "status-update":
        return _STATUSES.get(str(message.content.get("status")))
    if message.type == "end-of-call-report":
        return Status.ENDED
    if message.type in _TALKING:
        return Status.IN_PROGRESS
    return None


def facts_told(message: Message, telling: Telling | None, *, received_at: datetime) -> dict[str, Fact]:
    at = milliseconds(message.told_at or received_at)
    facts = _Facts()
    roughly = at - at % CHATTER_MILLISECONDS if message.type in CHATTER else at
    facts.tell("last_told_at", roughly, authority=SNAPSHOT, order=roughly)
    _tell_progress(facts, message, telling, at=at)
    _tell_parties(facts, message, at=roughly)
    if message.type == "end-of-call-report":
        _tell_report(facts, message.content, at=at)
    if message.type == "tool-calls":
        _tell_customer(facts, *_told_to_tools(message.content), authority=EVENT, at=at)
    if telling is not None:
        authority, order = _conversation_rank(telling, at=at)
        facts.tell("transcript", [len(telling.lines), telling.digest], authority=authority, order=order)
    return facts


def added_to(known: Fact | None, told: Telling) -> Telling | None:
    """What a telling adds to the lines that the `transcript` fact known before stands for; None if it
    replaces them."""
    if known is None or known[0] != _SOURCES[told.source]:
        return None
    return told if told.source is TranscriptSource.LIVE else told.beyond(*known[2])


def is_best_telling(told: Fact, *, facts: Mapping[str, Fact]) -> bool:
    """Whether the lines that this `transcript` fact stands for belong into the record: it won, or it is a
    live one and nothing better than live ones is known."""
    best = facts["transcript"]
    return told == best or (told[0] == best[0] == SNAPSHOT)


def _conversation_rank(telling: Telling, *, at: float) -> tuple[int, float]:
    return _SOURCES[telling.source], at


def _tell_progress(facts: _Facts, message: Message, telling: Telling | None, *, at: float) -> None:
    status = status_told(message) or (_STATUSES.get(str(message.call.get("status"))))
    spoke, screened = (telling.user_spoke, telling.screened) if telling is not None else (False, False)
    facts.tell("user_spoke", spoke or None, authority=EVENT, order=0)
    facts.tell("screened", screened or None, authority=EVENT, order=0)
    if spoke or screened:
        status = status if status is Status.ENDED else Status.IN_PROGRESS
    if status is not None:
        facts.tell("status", status.value, authority=_RANKS[status], order=-at)
    if status is Status.IN_PROGRESS:
        facts.tell("connected", True, authority=EVENT, order=0)
        # The first sign of life counts, however late it is told.
        facts.tell(
            "started_at",
            _iso(moment(at)),
            authority=EVENT if message.type == "status-update" else SNAPSHOT,
            order=-at,
        )
    if message.type == "status-update" and status is Status.ENDED:
        facts.tell("ended_at", _iso(moment(at)), authority=EVENT, order=-at)
        facts.tell("ended_reason", text(message.content.get("endedReason")), authority=EVENT, order=at)
    if status is Status.ENDED:
        facts.tell("ended_reason", text(message.call.get("endedReason")), authority=SNAPSHOT, order=at)


def _tell_parties(facts: _Facts, message: Message, *, at: float) -> None:
    content, call = message.content, message.call
    customer = {**mapping(call.get("customer")), **mapping(content.get("customer"))}
    our_number = {**mapping(call.get("phoneNumber")), **mapping(content.get("phoneNumber"))}
    assistant = mapping(content.get("assistant"))
    direction = _DIRECTIONS.get(str(call.get("type")))
    told = {
        "direction": direction.value if direction else None,
        "customer_number": caller_number(customer.get("number") or customer.get("sipUri")),
        "customer_name": text(customer.get("name"), length_max=200),
        "phone_number": text(our_number.get("number"), length_max=40),
        "phone_number_id": text(call.get("phoneNumberId"), length_max=100)
        or text(our_number.get("id"), length_max=100),
        "provider_assistant_id": text(call.get("assistantId"), length_max=100)
        or text(assistant.get("id"), length_max=100),
    }
    for field, value in told.items():
        facts.tell(field, value, authority=SNAPSHOT, order=at)


def _tell_report(facts: _Facts, content: Mapping[str, Any], *, at: float) -> None:
    analysis, artifact = mapping(content.get("analysis")), mapping(content.get("artifact"))
    breakdown = mapping(content.get("costBreakdown"))
    told = {
        "ended_reason": text(content.get("endedReason")),
        "started_at": _iso(moment(content.get("startedAt"))),
        "ended_at": _iso(moment(content.get("endedAt"))),
        "duration_seconds": _duration(content),
        "cost_usd": _cost(content, breakdown),
        "cost_breakdown": dict(breakdown),
        "recording_url": _recording(content, artifact),
        "summary": text(analysis.get("summary"), length_max=_SUMMARY_LENGTH_MAX)
        or text(content.get("summary"), length_max=_SUMMARY_LENGTH_MAX),
        "success_evaluation": _evaluation(analysis.get("successEvaluation")),
        "analysis": dict(analysis),
    }
    for field, value in told.items():
        facts.tell(field, value, authority=REPORT, order=at)
    facts.tell("reported_at", _iso(moment(at)), authority=REPORT, order=-at)
    # Better a rough time than none: a report without times came right after the end.
    facts.tell("ended_at", _iso(moment(at)), authority=SNAPSHOT, order=-at)
    facts.tell("started_at", _iso(_first_word(content)), authority=SNAPSHOT, order=-at)
    _tell_customer(facts, *customer_data(_structured(analysis)), authority=REPORT, at=at)


def _structured(analysis: Mapping[str, Any]) -> Mapping[str, Any]:
    """The analysis may have several plans; the plain one counts first."""
    told: dict[str, Any] = {}
    for document in reversed(mappings(analysis.get("structuredDataMulti"))):
        told |= document
    return {**told, **mapping(analysis.get("structuredData"))}


def _told_to_tools(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    fields: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for use in tool_uses(content):
        told, invalid = customer_data_of_tool(use.name, use.arguments or {})
        fields |= told
        notes |= invalid
    return fields, {field: note for field, note in notes.items() if field not in fields}


def _tell_customer(
    facts: _Facts, fields: Mapping[str, Any], notes: Mapping[str, str], *, authority: int, at: float
) -> None:
    for field, value in fields.items():
        believed = HEARSAY if field == "customer_number" else authority
        facts.tell(field, value, authority=believed, order=at)
    for field, note in notes.items():
        facts.tell(f"note:{field}", note, authority=authority, order=at)


def _duration(content: Mapping[str, Any]) -> float | None:
    for key, seconds in (("durationSeconds", 1.0), ("durationMs", 0.001), ("durationMinutes", 60.0)):
        told = number(content.get(key))
        if told is not None and 0 <= told * seconds < 1_000_000:
            return round(told * seconds, 3)
    return None


def _cost(content: Mapping[str, Any], breakdown: Mapping[str, Any]) -> str | None:
    """Decimal text; None if the provider does not tell, which is not zero."""
    for told in (content.get("cost"), breakdown.get("total")):
        if (cost := _money(told)) is not None:
            return cost
    items = [number(item.get("cost")) for item in mappings(content.get("costs"))]
    return (
        _money(sum(item for item in items if item is not None))
        if any(item is not None for item in items)
        else None
    )


def _money(value: Any) -> str | None:
    told = number(value)
    if told is None or not 0 <= told < _COST_MAX:
        return None
    return str(Decimal(repr(told)).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP))


def _recording(content: Mapping[str, Any], artifact: Mapping[str, Any]) -> str:
    recording = mapping(artifact.get("recording"))
    candidates = (
        mapping(recording.get("mono")).get("combinedUrl"),
        recording.get("stereoUrl"),
        artifact.get("recordingUrl"),
        content.get("recordingUrl"),
        content.get("stereoRecordingUrl"),
    )
    return next((url for told in candidates if (url := text(told, length_max=_URL_LENGTH_MAX))), "")


def _evaluation(told: Any) -> str:
    """In every rubric of the provider it is text; whatever else there is, is kept as JSON."""
    if isinstance(told, str):
        return text(told, length_max=_SUMMARY_LENGTH_MAX)
    if told in (None, [], {}):
        return ""
    return msgspec.json.encode(told).decode()[:_SUMMARY_LENGTH_MAX]


def _first_word(content: Mapping[str, Any]) -> datetime | None:
    artifact = mapping(content.get("artifact"))
    spoken = [
        moment(said.get("time")) for said in mappings(artifact.get("messages") or content.get("messages"))
    ]
    return min((at for at in spoken if at is not None), default=None)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
