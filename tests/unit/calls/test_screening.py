"""Call screening is neither a person nor a voicemail."""

import pytest

from services.calls.domain.screening import is_screening


@pytest.mark.parametrize(
    "said",
    [
        "Hi, if you record your name and reason for calling, I'll see if this person is available.",
        "Thanks, stay on the line.",
        (
            "Hi. The person you're calling is using a screening service from Google and will get a copy of"
            " this conversation. Go ahead and say your name and why you're calling."
        ),
        "Please state your name and the reason for your call.",
        "Enregistrez votre nom et le motif de votre appel, je vais voir si cette personne est disponible.",
        "Merci, restez en ligne",
    ],
)
def test_the_words_of_a_call_screen(said: str) -> None:
    """IN-12: call screening is an outcome of its own."""
    assert is_screening(said)


@pytest.mark.parametrize(
    "said",
    [
        "Allô?",
        "Hello, who is calling?",
        "Thank you",
        "Can you stay on the line while I check my basement? There is water everywhere",
        "I would like to record a song",
        "x" * 700 + " record your name",
    ],
)
def test_the_words_of_people(said: str) -> None:
    """IN-12: a person who answers is a human outcome."""
    assert not is_screening(said)
