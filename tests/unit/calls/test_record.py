"""Any order and any repetition of a call's webhooks ends in the same row."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.domain import facts
from services.calls.domain.call import Call, Direction, Outcome, Status, TranscriptSource
from services.calls.domain.messages import Message, read
from services.calls.domain.placement import PlacementResult
from services.calls.domain.record import attached, new_call, news, told
from services.calls.domain.telling import facts_told
from services.calls.domain.transcript import telling_of
from tests.support.vapi_messages import (
    FLOODED,
    STRUCTURED,
    conversation_update,
    message,
    report,
    said,
    status_update,
    transcript,
    whole_call,
)

NOW = datetime(2025, 11, 13, 8, tzinfo=UTC)
BEGUN = new_call(UUID(int=1), org_id=UUID(int=2), provider="vapi", provider_call_id="c-1", now=NOW)


def folded(bodies: Sequence[bytes], *, call: Call = BEGUN) -> Call:
    """One webhook after the other, as if each came in a batch of its own."""
    for body in bodies:
        found = read(body)
        assert isinstance(found, Message)
        known = facts_told(found, telling_of(found), received_at=NOW)
        call = told(call, facts.join(call.facts, known))
    return call


WHOLE = whole_call("c-1", structured_data=STRUCTURED)
# Two reports that differ, statuses told again and too late, an end without a reason, a live line.
UNRULY = [
    *WHOLE,
    status_update("c-1", "in-progress", at=30),
    status_update("c-1", "ended", at=59),
    status_update("c-1", "queued", at=70),
    report(
        "c-1", at=90, cost=0.2, ended_reason="assistant-ended-call", structured_data={"nom": "J. Tremblay"}
    ),
    report("c-1", at=80, cost=0.3, lines=FLOODED[:2], startedAt=None, endedAt=None),
    transcript("c-1", "assistant", "Bonjour", at=2),
    transcript("c-1", "user", "Please state your name and reason for calling", at=3),
    message("hang", "c-1", at=3),
]


@given(st.permutations(WHOLE + WHOLE))
def test_every_order_of_a_call_told_twice_ends_in_the_same_row(order: list[bytes]) -> None:
    assert folded(WHOLE) == folded(order)


@given(st.permutations(UNRULY), st.randoms(use_true_random=False))
def test_every_order_of_an_unruly_call_ends_in_the_same_row(
    order: list[bytes], chance: random.Random
) -> None:
    repeated = [*order, *chance.sample(UNRULY, k=5)]

    assert folded(UNRULY) == folded(repeated)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=2), st.lists(st.integers(0, 2))
)
FACTS = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.integers(0, 2), st.integers(-2, 2), VALUES).map(list), max_size=3
)


@given(FACTS, FACTS, FACTS)
def test_joining_facts_is_a_semilattice(a: Any, b: Any, c: Any) -> None:
    assert facts.join(a, b) == facts.join(b, a)
    assert facts.join(facts.join(a, b), c) == facts.join(a, facts.join(b, c))
    assert facts.join(a, a) == a


def test_the_whole_call() -> None:
    call = folded(WHOLE)

    assert (Status.ENDED, Outcome.HUMAN, Direction.INBOUND) == (call.status, call.outcome, call.direction)
    assert "2025-11-13T07:46:45+00:00" == call.started_at.isoformat()  # type: ignore[union-attr]
    assert "2025-11-13T07:47:40+00:00" == call.ended_at.isoformat()  # type: ignore[union-attr]
    assert (55.0, "0.1235") == (call.duration_seconds, str(call.cost_usd))
    assert (True, "true") == (call.success_evaluation, call.success_evaluation_raw)
    assert ("Jean Tremblay", "jean.tremblay@exemple.ca", "H2X 1Y4") == (
        call.customer_name,
        call.customer_email,
        call.postal_code,
    )
    assert ("debouchage", 800) == (call.service_type, call.estimated_value)
    assert "Inondation dans le sous-sol" == call.problem_description
    assert (TranscriptSource.REPORT, 4) == (call.transcript_source, call.transcript_lines)


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], Status.RINGING),
        (["queued"], Status.RINGING),
        (["in-progress", "ringing"], Status.IN_PROGRESS),
        (["forwarding"], Status.IN_PROGRESS),
        (["ended", "in-progress"], Status.ENDED),
        (["not-found"], Status.RINGING),
        (["no such status"], Status.RINGING),
    ],
)
def test_a_status_never_goes_back(statuses: list[str], status: Status) -> None:
    """The snapshot in every webhook says `ringing`."""
    call = folded([message("hang", "c-1", at=0), *(status_update("c-1", told, at=1) for told in statuses)])

    assert status is call.status
    assert (call.ended_at is not None) == status.terminal


def test_an_end_without_a_report_has_its_time() -> None:
    call = folded([status_update("c-1", "in-progress", at=5), status_update("c-1", "ended", at=20)])

    assert (Status.ENDED, 15.0) == (call.status, call.duration_seconds)
    assert call.cost_usd is None


def test_a_call_that_broke_before_anybody_spoke_failed() -> None:
    broke = "call.in-progress.error-vapifault-worker-died"
    silent = folded([status_update("c-1", "in-progress", at=5), report("c-1", ended_reason=broke)])
    spoken = folded([report("c-1", ended_reason=broke, lines=[said("user", "Allô?", at=4)])])

    assert (Status.FAILED, Outcome.FAILED) == (silent.status, silent.outcome)
    assert (Status.ENDED, Outcome.HUMAN) == (spoken.status, spoken.outcome)


SCREEN = said(
    "user", "Hi, if you record your name and reason for calling, I'll see if this person is available.", at=2
)


@pytest.mark.parametrize(
    ("lines", "ended_reason", "outcome"),
    [
        ([SCREEN], "customer-ended-call", Outcome.CALL_SCREENING),
        ([SCREEN], "silence-timed-out", Outcome.CALL_SCREENING),
        ([SCREEN, said("user", "Allô, oui?", at=9)], "customer-ended-call", Outcome.HUMAN),
        ([SCREEN], "voicemail", Outcome.VOICEMAIL),
        ([SCREEN], "customer-did-not-answer", Outcome.NO_ANSWER),
        ([], "customer-busy", Outcome.BUSY),
        ([], "customer-ended-call", Outcome.HUMAN),
        ([], "something-new", Outcome.UNKNOWN),
        ([], "something-new-error", Outcome.FAILED),
    ],
)
def test_every_outcome(lines: list[Any], ended_reason: str, outcome: Outcome) -> None:
    """IN-12: who or what answered, beside the status."""
    call = folded([report("c-1", lines=lines, ended_reason=ended_reason)])

    assert outcome is call.outcome


def test_a_reason_that_stands_only_in_the_snapshot_counts() -> None:
    body = b'{"message": {"type": "end-of-call-report", "call": {"id": "c-1", "endedReason": "voicemail"}}}'

    assert ("voicemail", Outcome.VOICEMAIL) == (folded([body]).ended_reason, folded([body]).outcome)


def test_the_snapshots_cost_is_not_believed() -> None:
    assert folded([message("hang", "c-1", call={"cost": 0})]).cost_usd is None


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"cost": 0}, "0.0000"),
        ({"cost": 0.00005}, "0.0001"),
        ({"cost": None}, "0.1235"),
        ({"cost": None, "costBreakdown": {}, "costs": [{"cost": 0.1}, {"cost": 0.25}, {}]}, "0.3500"),
        ({"cost": None, "costBreakdown": {}}, "None"),
        ({"cost": -1, "costBreakdown": {}}, "None"),
        ({"cost": 1e12, "costBreakdown": {}}, "None"),
        ({"cost": "0.5", "costBreakdown": {}}, "None"),
    ],
)
def test_costs(fields: dict[str, Any], cost: str) -> None:
    assert cost == str(folded([report("c-1", **fields)]).cost_usd)


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        ("true", True),
        ("False", False),
        (True, True),
        ("Pass", True),
        ("fail", False),
        ("8", True),
        (3, False),
        ("Excellent", True),
        ("Hard to say", None),
    ],
)
def test_evaluations(raw: Any, verdict: bool | None) -> None:
    call = folded([report("c-1", analysis={"successEvaluation": raw})])

    assert verdict is call.success_evaluation
    assert str(raw).lower() == call.success_evaluation_raw.lower()


def test_an_evaluation_of_several_criteria_is_kept_as_json() -> None:
    """IN-12: the raw evaluation is kept whatever its shape."""
    call = folded([report("c-1", analysis={"successEvaluation": {"Gave a price": False}})])

    assert (False, '{"Gave a price":false}') == (call.success_evaluation, call.success_evaluation_raw)


def test_what_we_closed_stays_closed() -> None:
    closed = replace(BEGUN, closed_as=Status.TIMEOUT, closed_at=NOW)

    call = folded([report("c-1")], call=closed)

    assert (Status.TIMEOUT, "0.1235") == (call.status, str(call.cost_usd))


def test_a_placed_call_is_attached_once() -> None:
    placed = replace(
        BEGUN, provider_call_id=None, direction=Direction.OUTBOUND, placement=PlacementResult.UNKNOWN
    )

    once = attached(placed, provider_call_id="c-9", now=NOW)

    assert ("c-9", PlacementResult.PLACED, NOW) == (once.provider_call_id, once.placement, once.placed_at)
    assert once is attached(once, provider_call_id="c-9", now=NOW)
    assert news(placed, once).placed
    assert not news(once, once).placed


def test_news_is_told_once() -> None:
    ringing = folded(WHOLE[:1])
    talking = folded(WHOLE[1:2], call=ringing)
    over = folded(WHOLE[8:9], call=talking)
    reported = folded(WHOLE[9:], call=over)

    assert [news(BEGUN, ringing).started, news(ringing, talking).started, news(talking, over).started] == [
        False,
        True,
        False,
    ]
    assert [news(ringing, talking).over, news(talking, over).over, news(over, reported).over] == [
        False,
        True,
        False,
    ]
    assert [news(talking, over).reported, news(over, reported).reported] == [False, True]
    assert not any(
        getattr(news(reported, folded(WHOLE, call=reported)), kind)
        for kind in ("placed", "started", "over", "reported", "talked")
    )


def test_a_call_that_jumps_to_its_end_was_started_if_somebody_spoke() -> None:
    assert news(BEGUN, folded([report("c-1", lines=FLOODED)])).started
    assert not news(BEGUN, folded([report("c-1", ended_reason="customer-did-not-answer")])).started


def test_the_best_conversation_stays() -> None:
    early = conversation_update("c-1", FLOODED[:2], at=8)
    late = conversation_update("c-1", FLOODED[:3], at=12)
    live = transcript("c-1", "user", "Allô", at=20)

    assert (TranscriptSource.CONVERSATION, 3) == (
        folded([late, early, live]).transcript_source,
        folded([late, early, live]).transcript_lines,
    )
    assert TranscriptSource.LIVE is folded([live]).transcript_source
