"""Reasons by their parts, against the provider's list where it is at hand."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.domain.call import Outcome, Status
from services.calls.domain.ended_reasons import (
    EndKind,
    failed_by_infrastructure,
    kind_of,
    outcome_of,
    status_of,
)

LIST = Path(__file__).parents[3] / "../shared/providers/vapi/ended_reasons.json"

# Kinds of ours for the classes of the list.
CLASSES = {
    "conversation_ended": {EndKind.CONVERSATION, EndKind.SILENCE},
    "voicemail": {EndKind.VOICEMAIL},
    "no_answer": {EndKind.NO_ANSWER},
    "busy": {EndKind.BUSY},
    "cancelled": {EndKind.CANCELED},
}


@pytest.mark.parametrize(
    ("reason", "status", "outcome"),
    [
        ("customer-ended-call", "ENDED", "HUMAN"),
        ("assistant-ended-call", "ENDED", "HUMAN"),
        ("assistantEndedCall", "ENDED", "HUMAN"),
        ("hangup", "ENDED", "HUMAN"),
        ("exceeded-max-duration", "ENDED", "HUMAN"),
        ("silence-timed-out", "ENDED", "UNKNOWN"),
        ("voicemail", "ENDED", "VOICEMAIL"),
        ("customer-did-not-answer", "ENDED", "NO_ANSWER"),
        ("customer-busy", "ENDED", "BUSY"),
        ("manually-canceled", "CANCELED", "UNKNOWN"),
        ("call.start.error-subscription-concurrency-limit-reached", "FAILED", "FAILED"),
        ("call.in-progress.error-vapifault-openai-429-exceeded-quota", "FAILED", "FAILED"),
        ("twilio-failed-to-connect-call", "FAILED", "FAILED"),
        ("assistant-not-found", "FAILED", "FAILED"),
        ("something-nobody-has-seen", "ENDED", "UNKNOWN"),
        ("", "ENDED", "UNKNOWN"),
    ],
)
def test_a_call_nobody_was_heard_in(reason: str, status: str, outcome: str) -> None:
    kind = kind_of(reason)

    assert (status, outcome) == (status_of(kind, spoke=False), outcome_of(kind, spoke=False))


def test_a_call_that_broke_after_somebody_spoke_took_place() -> None:
    kind = kind_of("call.in-progress.error-vapifault-openai-500-server-error")

    assert (Status.ENDED, Outcome.HUMAN) == (status_of(kind, spoke=True), outcome_of(kind, spoke=True))


def test_a_voicemail_that_speaks_is_no_human() -> None:
    assert Outcome.VOICEMAIL is outcome_of(kind_of("voicemail"), spoke=True)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("call.in-progress.error-vapifault-brandnew-503-server-overloaded-error", EndKind.FAULT),
        ("call.in-progress.error-providerfault-brandnew-voice-failed", EndKind.FAULT),
        ("pipeline-no-brandnew-model", EndKind.FAULT),
        ("call.ringing.error-sip-outbound-call-failed", EndKind.FAULT),
        ("customer-ended-call-after-warm-transfer", EndKind.CONVERSATION),
        ("assistant-ended-call-by-brandnew-tool", EndKind.CONVERSATION),
        ("call.forwarding.no-answer-brandnew", EndKind.NO_ANSWER),
        ("call.in-progress.sip-486-busy-here", EndKind.BUSY),
        ("voicemail-brandnew-detection", EndKind.VOICEMAIL),
        ("manually-canceled-by-brandnew-api", EndKind.CANCELED),
        ("brandnew", EndKind.UNKNOWN),
        ("42", EndKind.UNKNOWN),
    ],
)
def test_reasons_that_nobody_has_seen_fall_into_the_class_of_their_words(reason: str, kind: EndKind) -> None:
    """IN-12: the set is open; every release of the provider adds some."""
    assert kind is kind_of(reason)


@given(st.text(max_size=80))
def test_every_text_is_of_some_kind(reason: str) -> None:
    """IN-12: whatever the provider writes, the call has a terminal status and an outcome."""
    kind = kind_of(reason)

    assert status_of(kind, spoke=False).terminal
    assert isinstance(outcome_of(kind, spoke=False), Outcome)


def test_every_reason_of_the_providers_list() -> None:
    """IN-12: the table covers all that the provider documents."""
    if not LIST.exists():
        pytest.skip("the provider's list is not here")
    reasons = json.loads(LIST.read_text(encoding="utf-8"))["reasons"]

    wrong = {
        reason: (entry["class"], kind_of(reason).value)
        for reason, entry in reasons.items()
        if kind_of(reason) not in CLASSES.get(entry["class"], {EndKind.FAULT})
    }

    assert {} == wrong


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("call.in-progress.error-providerfault-outbound-sip-503-service-unavailable", True),
        ("call.in-progress.error-vapifault-worker-died", True),
        ("call.in-progress.error-sip-outbound-call-failed-to-connect", True),
        ("twilio-failed-to-connect-call", True),
        ("pipeline-error-openai-llm-failed", True),
        # What a carrier tells of the number.
        ("call.in-progress.error-providerfault-outbound-sip-403-forbidden", False),
        ("call.in-progress.error-sip-outbound-unallocated-number", False),
        ("customer-did-not-answer", False),
        ("", False),
    ],
)
def test_some_failures_are_nobodys_fault_who_was_called(reason: str, expected: bool) -> None:
    """CA-4: a call that the provider or the carrier failed uses up no attempt."""
    assert expected is failed_by_infrastructure(Status.FAILED, reason)
    assert not failed_by_infrastructure(Status.ENDED, reason)
