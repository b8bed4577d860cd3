"""How a call stands in the record, given the facts the provider told and what we did ourselves.

A pure function of both: whatever order the facts came in, the row is the same. What we closed ourselves
stays closed as we closed it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from services.calls.domain.business_hours import BusinessHours
from services.calls.domain.call import Call, Direction, Outcome, Status, TranscriptSource
from services.calls.domain.ended_reasons import kind_of, outcome_of, status_of
from services.calls.domain.evaluation import succeeded
from services.calls.domain.facts import EVENT, REPORT, SNAPSHOT, Fact, changed_fields, value_of
from services.calls.domain.placement import PlacementResult
from services.calls.domain.priority import Judgement, seconds_to_react

_SOURCES: Final = {
    SNAPSHOT: TranscriptSource.LIVE,
    EVENT: TranscriptSource.CONVERSATION,
    REPORT: TranscriptSource.REPORT,
}
# Columns that hold what was told as it is.
_PLAIN: Final = (
    "provider_assistant_id", "phone_number_id", "phone_number", "customer_number", "customer_name",
    "customer_email", "address", "city", "postal_code", "problem_description", "service_type",
    "estimated_value", "ended_reason", "cost_breakdown", "recording_url", "summary", "analysis",
)  # fmt: skip
# What a report adds; when it changes, the report is news.
_REPORTED: Final = frozenset({
    "reported_at", "ended_reason", "started_at", "ended_at", "duration_seconds", "cost_usd", "cost_breakdown",
    "recording_url", "summary", "success_evaluation", "analysis", "transcript",
})  # fmt: skip
_apart_from_talk: Final = attrgetter(*(
    column.name
    for column in fields(Call)
    if column.name not in ("facts", "last_status_at", "transcript_source", "transcript_lines")
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class News:
    """What happened to a call that others may want to know; each is said once, `reported` and `talked`
    again."""

    placed: bool
    started: bool
    over: bool
    reported: bool
    talked: bool


def new_call(call_id: UUID, *, org_id: UUID, provider: str, provider_call_id: str, now: datetime) -> Call:
    """Of a call that somebody else began. It came in, unless the provider says otherwise."""
    return Call(
        id=call_id,
        org_id=org_id,
        provider=provider,
        provider_call_id=provider_call_id,
        direction=Direction.INBOUND,
        created_at=now,
    )


def attached(call: Call, *, provider_call_id: str, now: datetime) -> Call:
    """A call that we placed, found again in a webhook: it was made, whatever we knew about that."""
    if call.provider_call_id == provider_call_id and call.placement is not PlacementResult.UNKNOWN:
        return call
    return replace(
        call,
        provider_call_id=provider_call_id,
        placement=PlacementResult.PLACED,
        placement_reason="",
        placement_infrastructure=False,
        placed_at=call.placed_at or now,
    )


def told(call: Call, facts: Mapping[str, Fact]) -> Call:
    """The call with these facts instead of its own, and everything that follows from them."""
    plain = {field: value for field in _PLAIN if (value := value_of(facts, field)) is not None}
    spoke = bool(value_of(facts, "user_spoke"))
    ended_reason = plain.get("ended_reason", call.ended_reason)
    status, outcome = _status(call, facts, ended_reason=ended_reason, spoke=spoke)
    started_at, ended_at = _times(facts, status=status, closed_at=call.closed_at)
    cost = value_of(facts, "cost_usd")
    raw = value_of(facts, "success_evaluation") or ""
    return replace(
        call,
        facts=facts,
        **plain,
        direction=Direction(value_of(facts, "direction") or call.direction),
        status=status,
        outcome=outcome,
        connected=bool(value_of(facts, "connected")) or (status.terminal and spoke),
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=_duration(facts, started_at=started_at, ended_at=ended_at),
        cost_usd=Decimal(cost) if cost is not None else None,
        success_evaluation_raw=raw,
        success_evaluation=succeeded(raw),
        data_notes=_notes(facts),
        last_status_at=_told_at(facts),
        reported_at=_moment(facts, "reported_at"),
        sla_due_at=_due_at(ended_at, call.sla_seconds),
        **_transcript(facts),
    )


def is_same_but_for_the_talk(before: Call, after: Call) -> bool:
    """Whether nothing is new about a call except what was said in it, and when."""
    return _apart_from_talk(before) == _apart_from_talk(after)


def judged(call: Call, judgement: Judgement, *, hours: BusinessHours) -> Call:
    sla_seconds = seconds_to_react(judgement, hours, since=call.ended_at)
    return replace(
        call,
        priority=judgement.priority,
        priority_reason=judgement.reason,
        sla_seconds=sla_seconds,
        sla_due_at=_due_at(call.ended_at, sla_seconds),
    )


def news(before: Call, after: Call) -> News:
    """What is to be said about the step from `before` (a new call's is as it was begun) to `after`."""
    changed = changed_fields(before.facts, after.facts)
    over = after.status.terminal and not before.status.terminal
    return News(
        placed=after.placement is PlacementResult.PLACED
        and before.placement in (PlacementResult.PENDING, PlacementResult.UNKNOWN)
        and after.closed_as is None,
        started=after.connected and not before.connected and not before.status.terminal,
        over=over,
        reported=after.reported_at is not None and bool(changed & _REPORTED),
        talked="transcript" in changed,
    )


def _status(
    call: Call, facts: Mapping[str, Fact], *, ended_reason: str, spoke: bool
) -> tuple[Status, Outcome | None]:
    kind = kind_of(ended_reason)
    outcome = outcome_of(kind, spoke=spoke, screened=bool(value_of(facts, "screened")))
    if call.closed_as is not None:
        failed = call.closed_as is Status.FAILED and not ended_reason
        return call.closed_as, Outcome.FAILED if failed else outcome
    furthest = value_of(facts, "status")
    if furthest == Status.ENDED:
        return status_of(kind, spoke=spoke), outcome
    return (Status(furthest) if furthest else call.status), None


def _times(
    facts: Mapping[str, Fact], *, status: Status, closed_at: datetime | None
) -> tuple[datetime | None, datetime | None]:
    started_at, ended_at = _moment(facts, "started_at"), _moment(facts, "ended_at")
    if not status.terminal:
        return started_at, None
    ended_at = ended_at or closed_at or _told_at(facts)
    # Clocks of two sources: a call does not start after its end.
    return (min(started_at, ended_at) if started_at and ended_at else started_at), ended_at


def _duration(
    facts: Mapping[str, Fact], *, started_at: datetime | None, ended_at: datetime | None
) -> float | None:
    told_seconds = value_of(facts, "duration_seconds")
    if told_seconds is not None:
        return float(told_seconds)
    return round((ended_at - started_at).total_seconds(), 3) if started_at and ended_at else None


def _transcript(facts: Mapping[str, Fact]) -> dict[str, Any]:
    """Of live lines only that there are some: each comes by itself, and the table counts them."""
    fact = facts.get("transcript")
    if fact is None:
        return {}
    source = _SOURCES[fact[0]]
    if source is TranscriptSource.LIVE:
        return {"transcript_source": source}
    return {"transcript_source": source, "transcript_lines": fact[2][0]}


def _notes(facts: Mapping[str, Fact]) -> tuple[str, ...]:
    """Of fields for which nothing valid was told by anybody who knows as well or better."""
    noted = sorted(field.removeprefix("note:") for field in facts if field.startswith("note:"))
    return tuple(
        f"{field} {facts[f'note:{field}'][2]}"
        for field in noted
        if field not in facts or facts[field][0] < facts[f"note:{field}"][0]
    )


def _told_at(facts: Mapping[str, Fact]) -> datetime | None:
    told_at = value_of(facts, "last_told_at")
    return datetime.fromtimestamp(told_at / 1000, tz=UTC) if told_at is not None else None


def _moment(facts: Mapping[str, Fact], field: str) -> datetime | None:
    told_at = value_of(facts, field)
    return datetime.fromisoformat(told_at) if told_at else None


def _due_at(ended_at: datetime | None, sla_seconds: int | None) -> datetime | None:
    return ended_at + timedelta(seconds=sla_seconds) if ended_at and sla_seconds is not None else None
