"""The scripts are fit to be played: real-looking numbers, known reasons, turns that can be spoken."""

import json
from collections import Counter
from pathlib import Path

import phonenumbers
import pytest

from deploy.sandbox.scripts import SCRIPTS, Say, Script, script_for_outcome

ENDED_REASONS = (Path(__file__).parents[3] / "../shared/providers/vapi/ended_reasons.json").resolve()
NEEDED = {
    "p1_flood_fr",
    "p1_backup_en",
    "p2_municipal_fr",
    "p3_lining_en",
    "p4_standard_fr",
    "p4_standard_en",
    "quote_tool",
    "classify_tool",
    "never_ended",
    "voicemail",
    "no_answer",
    "refused_service",
}


def test_the_needed_scripts_are_there() -> None:
    assert set() == NEEDED - set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=lambda script: script.name)
def test_a_script_can_be_played(script: Script) -> None:
    number = phonenumbers.parse(script.customer)

    assert phonenumbers.is_valid_number(number)
    assert bool(script.steps) == script.answered
    assert all(step.text if isinstance(step, Say) else step.calls for step in script.steps)
    if ENDED_REASONS.is_file():
        assert script.ended_reason in json.loads(ENDED_REASONS.read_bytes())["reasons"]


def test_every_script_has_a_caller_of_its_own() -> None:
    assert {1} == set(Counter(script.customer for script in SCRIPTS.values()).values())


@pytest.mark.parametrize(
    ("outcome", "answered"),
    [
        ("customer-ended-call", True),
        ("silence-timed-out", True),
        ("voicemail", True),
        ("customer-busy", False),
        ("customer-did-not-answer", False),
        ("twilio-failed-to-connect-call", False),
        ("call.in-progress.error-sip-outbound-call-failed-to-connect", False),
    ],
)
def test_an_outcome_has_a_script_that_ends_with_it(outcome: str, answered: bool) -> None:
    script = script_for_outcome(outcome)

    assert (outcome, answered) == (script.ended_reason, script.answered)
