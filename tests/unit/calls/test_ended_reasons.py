"""Reasons by their parts, against the provider's list where it is at hand."""

import json
from pathlib import Path

import pytest

from services.calls.domain.call import Outcome, Status
from services.calls.domain.ended_reasons import EndKind, kind_of, outcome_of, status_of

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


def test_every_reason_of_the_providers_list() -> None:
    if not LIST.exists():
        pytest.skip("the provider's list is not here")
    reasons = json.loads(LIST.read_text(encoding="utf-8"))["reasons"]

    wrong = {
        reason: (entry["class"], kind_of(reason).value)
        for reason, entry in reasons.items()
        if kind_of(reason) not in CLASSES.get(entry["class"], {EndKind.FAULT})
    }

    assert {} == wrong
