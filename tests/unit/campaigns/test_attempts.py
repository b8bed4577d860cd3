"""How an attempt changes by what is told about its call: every order and any repetition end alike."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaigns.domain.attempts import (
    Attempt,
    CallNews,
    Placement,
    Result,
    State,
    after_news,
    after_placement,
)

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ID = UUID(int=1)

PLACED = CallNews(status="QUEUED", placed=True)
STARTED = CallNews(status="IN_PROGRESS", placed=True)
ENDED = CallNews(status="ENDED", placed=True, ended_reason="hangup", ended_at=NOW)
REPORTED = replace(
    ENDED,
    outcome="HUMAN",
    cost_usd=Decimal("0.1"),
    duration_seconds=12.0,
    success_evaluation=True,
    summary="Talked.",
)
NEVER_MADE = CallNews(status="FAILED", placed=False)


def intent(**fields: object) -> Attempt:
    facts: dict[str, object] = {
        "id": ID,
        "org_id": ID,
        "campaign_id": ID,
        "contact_id": ID,
        "number": 1,
        "batch_no": 0,
        "state": State.INTENT,
        "counts": True,
        "call_status": "",
        "outcome": "",
        "ended_reason": "",
        "reason": "",
        "created_at": NOW,
        "placed_at": None,
        "ended_at": None,
        "duration_seconds": None,
        "cost_usd": None,
        "success_evaluation": None,
        "recording_url": "",
        "summary": "",
    }
    return Attempt(**{**facts, **fields})  # type: ignore[arg-type]


def answer(result: Result, **fields: object) -> Placement:
    return Placement(result=result, **fields)  # type: ignore[arg-type]


@given(st.permutations([PLACED, STARTED, ENDED, REPORTED] * 2), st.integers(0, 8))
def test_any_order_and_repetition_ends_in_the_same_attempt(news: list[CallNews], answered_at: int) -> None:
    attempt = intent()
    for index, one in enumerate(news):
        if index == answered_at:
            attempt = after_placement(attempt, answer(Result.PLACED, news=PLACED), now=NOW)
        attempt = after_news(attempt, one, now=NOW)

    assert attempt == intent(
        state=State.ENDED,
        call_status="ENDED",
        outcome="HUMAN",
        ended_reason="hangup",
        placed_at=NOW,
        ended_at=NOW,
        duration_seconds=12.0,
        cost_usd=Decimal("0.1"),
        success_evaluation=True,
        summary="Talked.",
    )


def test_a_refusal_for_want_of_a_line_does_not_count() -> None:
    refused = after_placement(
        intent(), answer(Result.REFUSED, reason="NO_LINE_FREE", infrastructure=True, news=NEVER_MADE), now=NOW
    )

    assert (State.REFUSED, False, "NO_LINE_FREE") == (refused.state, refused.counts, refused.reason)
    assert not refused.is_open


def test_the_event_of_a_refusal_leaves_an_intent_to_the_answer_that_knows_the_cause() -> None:
    assert intent() == after_news(intent(), NEVER_MADE, now=NOW)


def test_an_unknown_placement_is_settled_by_news() -> None:
    unknown = after_placement(intent(), answer(Result.UNKNOWN, reason="TIMEOUT"), now=NOW)

    assert unknown.is_open
    assert State.PLACED is after_news(unknown, PLACED, now=NOW).state
    assert State.ENDED is after_news(unknown, REPORTED, now=NOW).state
    never = after_news(unknown, NEVER_MADE, now=NOW)
    assert (State.REFUSED, True, "NOT_PLACED") == (never.state, never.counts, never.reason)
    assert unknown == after_news(unknown, CallNews(status="QUEUED", placed=False), now=NOW)


def test_a_request_that_died_with_its_process_uses_up_no_attempt() -> None:
    unknown = after_placement(intent(), answer(Result.UNKNOWN, reason="IN_FLIGHT"), now=NOW)

    never = after_news(unknown, replace(NEVER_MADE, infrastructure=True), now=NOW)

    assert (State.REFUSED, False) == (never.state, never.counts)


def test_a_pending_placement_changes_nothing() -> None:
    assert intent() == after_placement(intent(), answer(Result.PENDING), now=NOW)


@pytest.mark.parametrize("result", list(Result))
def test_an_answer_after_the_end_changes_nothing(result: Result) -> None:
    ended = after_news(intent(), REPORTED, now=NOW)

    assert ended == after_placement(ended, answer(result, reason="LATE"), now=NOW + timedelta(hours=1))


def test_an_answer_that_knows_the_end_already_ends_the_attempt() -> None:
    ended = after_placement(intent(), answer(Result.PLACED, news=ENDED), now=NOW)

    assert (State.ENDED, NOW) == (ended.state, ended.placed_at)


def test_silence_is_corrected_by_what_the_provider_says_later() -> None:
    silent = after_news(intent(), CallNews(status="TIMEOUT", placed=True), now=NOW)
    assert "TIMEOUT" == silent.call_status

    assert "ENDED" == after_news(silent, REPORTED, now=NOW).call_status


def test_an_unknown_answer_about_a_call_that_was_given_up_ends_the_attempt() -> None:
    """Its own event came while the request was still being repeated."""
    heard = after_news(intent(), NEVER_MADE, now=NOW)

    refused = after_placement(heard, answer(Result.UNKNOWN, reason="NOT_FOUND", news=NEVER_MADE), now=NOW)

    assert (State.REFUSED, "NOT_PLACED", True) == (refused.state, refused.reason, refused.counts)


@pytest.mark.parametrize(
    ("status", "infrastructure", "reason"),
    [("FAILED", True, "INFRASTRUCTURE"), ("FAILED", False, ""), ("ENDED", True, "")],
)
def test_a_call_that_was_made_tells_whether_the_carrier_failed_it(
    status: str, infrastructure: bool, reason: str
) -> None:
    news = CallNews(status=status, placed=True, infrastructure=infrastructure)
    ended = after_news(intent(state=State.PLACED), news, now=NOW)

    assert (State.ENDED, True, reason) == (ended.state, ended.counts, ended.reason)
