"""Attempts to reach a contact, and how what is told about their calls changes them.

    INTENT -> PLACED -> ENDED
    INTENT -> UNKNOWN -> PLACED | REFUSED | ENDED
    INTENT -> REFUSED
    PLACED, UNKNOWN -> ENDED, when `calls` has lost the call and it must be over

Every step may be told twice, late, or by somebody else first: the dialer's own answer, an event, or a
look-up. REFUSED and ENDED are final; what comes later only completes an ended attempt's facts.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

_T = TypeVar("_T")


class State(StrEnum):
    INTENT = "INTENT"
    PLACED = "PLACED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"
    ENDED = "ENDED"


# Why an attempt ended that was made and that the provider or the carrier failed.
INFRASTRUCTURE = "INFRASTRUCTURE"

OPEN = frozenset({State.INTENT, State.PLACED, State.UNKNOWN})

_RANKS = {"": 0, "QUEUED": 1, "RINGING": 2, "IN_PROGRESS": 3}
TERMINAL = frozenset({"ENDED", "FAILED", "CANCELED", "TIMEOUT"})
_CONNECTED = frozenset({"IN_PROGRESS"}) | TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    id: UUID
    org_id: UUID
    campaign_id: UUID
    contact_id: UUID
    number: int
    batch_no: int
    state: State
    # False if it was refused for a cause that lies with us or the provider; it then uses up none of the
    # contact's.
    counts: bool
    call_status: str
    outcome: str
    ended_reason: str
    reason: str
    created_at: datetime
    placed_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    cost_usd: Decimal | None
    success_evaluation: bool | None
    recording_url: str
    summary: str

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_connected(self) -> bool:
        """Somebody picked up, or the call is over."""
        return self.placed_at is not None and self.call_status in _CONNECTED


class Result(StrEnum):
    PENDING = "PENDING"
    PLACED = "PLACED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNews:
    """What is known about a call at one moment. `placed`: the provider took it, that much is certain.
    `infrastructure`: if it was not, the cause lies with us or the provider."""

    status: str
    placed: bool
    infrastructure: bool = False
    outcome: str = ""
    ended_reason: str = ""
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    cost_usd: Decimal | None = None
    success_evaluation: bool | None = None
    recording_url: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The answer to a request to place a call. `news` is the call as it stood then, if there is one."""

    result: Result
    reason: str = ""
    infrastructure: bool = False
    retry_after_seconds: float = 0.0
    news: CallNews | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An attempt that nothing was heard of for too long."""

    attempt_id: UUID
    org_id: UUID
    state: State
    # Since the attempt was decided on.
    age_seconds: float


def after_placement(attempt: Attempt, placement: Placement, *, now: datetime) -> Attempt:
    """An answer that comes after the facts (an event was quicker) changes nothing."""
    if attempt.state is not State.INTENT:
        return attempt
    match placement.result:
        case Result.PENDING:
            return attempt
        case Result.UNKNOWN:
            unknown = replace(attempt, state=State.UNKNOWN, reason=placement.reason)
            # The event that told of its end may have come while this was an intent and said nothing.
            return after_news(unknown, placement.news, now=now) if placement.news else unknown
        case Result.REFUSED:
            refused = _completed(attempt, placement.news) if placement.news else attempt
            return replace(
                refused,
                state=State.REFUSED,
                reason=placement.reason or "REFUSED",
                counts=not placement.infrastructure,
                ended_at=now,
            )
    placed = replace(attempt, state=State.PLACED, placed_at=now, call_status=attempt.call_status or "QUEUED")
    return after_news(placed, placement.news, now=now) if placement.news else placed


def after_news(attempt: Attempt, news: CallNews, *, now: datetime) -> Attempt:
    if attempt.state is State.REFUSED:
        return attempt
    if not news.placed:
        return _after_unplaced(attempt, news, now=now)
    known = replace(_completed(attempt, news), placed_at=attempt.placed_at or now)
    if known.call_status in TERMINAL:
        # A call that was made and came to nothing through no fault of whoever was called.
        broken = news.infrastructure and known.call_status == "FAILED"
        return replace(
            known,
            state=State.ENDED,
            reason=INFRASTRUCTURE if broken else "",
            ended_at=known.ended_at or now,
        )
    return replace(known, state=State.PLACED, reason="")


def after_loss(attempt: Attempt, *, now: datetime) -> Attempt:
    """Nobody knows the call any more, and it has lasted longer than any may. It was perhaps made and perhaps
    answered, so that it uses up the attempt."""
    if attempt.state not in (State.PLACED, State.UNKNOWN):
        return attempt
    return replace(attempt, state=State.ENDED, call_status="TIMEOUT", reason="CALL_LOST", ended_at=now)


def _after_unplaced(attempt: Attempt, news: CallNews, *, now: datetime) -> Attempt:
    """The provider has no such call. An INTENT hears it as the answer to its own request, with the cause."""
    if attempt.state is not State.UNKNOWN or news.status not in TERMINAL:
        return attempt
    return replace(
        _completed(attempt, news),
        state=State.REFUSED,
        reason="NOT_PLACED",
        counts=not news.infrastructure,
        ended_at=now,
    )


def _completed(attempt: Attempt, news: CallNews) -> Attempt:
    """Later words fill and correct; nothing that is known is forgotten."""
    return replace(
        attempt,
        call_status=_later_status(attempt.call_status, news.status),
        outcome=news.outcome or attempt.outcome,
        ended_reason=news.ended_reason or attempt.ended_reason,
        ended_at=news.ended_at or attempt.ended_at,
        duration_seconds=_known(news.duration_seconds, attempt.duration_seconds),
        cost_usd=_known(news.cost_usd, attempt.cost_usd),
        success_evaluation=_known(news.success_evaluation, attempt.success_evaluation),
        recording_url=news.recording_url or attempt.recording_url,
        summary=news.summary or attempt.summary,
    )


def _later_status(known: str, told: str) -> str:
    if known in TERMINAL:
        # Silence was only our guess; what the provider says about the end is better.
        return told if known == "TIMEOUT" and told in TERMINAL else known
    return told if told in TERMINAL or _RANKS.get(told, 0) > _RANKS[known] else known


def _known(news: _T | None, before: _T | None) -> _T | None:
    return before if news is None else news
