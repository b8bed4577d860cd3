"""The templates that every organization finds in its directory: read-only, to be cloned.

What they say speaks for itself: nothing in them has to be filled in before a clone can be called with, and a
clone may say something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_VOICE: Final = {"provider": "vapi", "voiceId": "Clara"}
_TRANSCRIBER: Final = {"provider": "deepgram", "model": "nova-3", "language": "multi"}


@dataclass(frozen=True, slots=True)
class Template:
    """`key` never changes."""

    key: str
    name: str
    config: Mapping[str, Any]


def _model(prompt: str, *, temperature: float) -> dict[str, Any]:
    return {
        "provider": "openai",
        "model": "gpt-4o",
        "temperature": temperature,
        "maxTokens": 250,
        "messages": [{"role": "system", "content": prompt}],
    }


_VOICEMAIL_FRIENDLY = Template(
    key="voicemail-friendly",
    name="Voicemail-Friendly",
    config={
        "firstMessage": "Hi, I'm calling with a short piece of information for you. Is this a good moment?",
        "model": _model(
            "You make short, polite outbound calls. Say in one or two sentences why you are calling, "
            "answer questions briefly and end the call when the other person wishes so. Never speak for "
            "longer than thirty seconds at a time. If asked, say that you are an automated assistant. If "
            "somebody does not want to be called again, confirm that and say goodbye.",
            temperature=0.4,
        ),
        "voice": _VOICE,
        "transcriber": _TRANSCRIBER,
        "voicemailDetection": {"provider": "vapi"},
        "voicemailMessage": (
            "Hi, sorry that I missed you. I have a short piece of information for you. Please call back "
            "at the number shown on your phone. Thank you, and have a good day."
        ),
        "endCallMessage": "Thank you for your time. Goodbye!",
        "maxDurationSeconds": 240,
    },
)

_QUICK_PITCH = Template(
    key="quick-pitch",
    name="Quick Pitch",
    config={
        "firstMessage": "Hi! I have one quick question that could save you money. Do you have half a minute?",
        "model": _model(
            "You have one minute. If the other person agrees to listen, state one clear benefit, ask one "
            "question to learn whether it matters to them, and offer that a colleague calls back at a "
            "time that suits them. Take the first no for an answer. Never invent prices or promises. If "
            "asked, say that you are an automated assistant.",
            temperature=0.6,
        ),
        "voice": _VOICE,
        "transcriber": _TRANSCRIBER,
        "endCallMessage": "Thanks for listening. Have a great day!",
        "maxDurationSeconds": 180,
    },
)

_DISCOVERY = Template(
    key="discovery",
    name="Discovery",
    config={
        "firstMessage": (
            "Hello! I'd like to understand what you need before anybody makes you an offer. May I?"
        ),
        "model": _model(
            "You lead a discovery call. Find out, with open questions and one at a time: what the person "
            "wants to achieve, what they use today, what bothers them about it, by when something has to "
            "change and who else decides. Repeat in your own words what you understood and let them "
            "correct you. Do not sell. At the end sum up in three sentences and say what happens next. If"
            " asked, say that you are an automated assistant.",
            temperature=0.5,
        ),
        "voice": _VOICE,
        "transcriber": _TRANSCRIBER,
        "endCallMessage": "Thank you, that was very helpful. Goodbye!",
        "maxDurationSeconds": 900,
    },
)

TEMPLATES: Final = (_VOICEMAIL_FRIENDLY, _QUICK_PITCH, _DISCOVERY)
