"""The words of which a scripted call is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["assistant", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """One turn of speech; `interrupted_by_user` cuts the assistant short."""

    role: Role
    text: str
    interrupted_by_user: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UseTool:
    """The assistant calls tools, several at once if `calls` has several, and waits for our answer.

    `say_result` is what it then says, with `{field}` replaced by that field of the JSON result; without an
    answer it says `say_failure`. Live tool calls carry arguments as an object or as JSON text.
    """

    calls: tuple[tuple[str, dict[str, Any]], ...]
    say_result: str
    say_failure: str = "Sorry, I cannot look that up right now."
    arguments_as_text: bool = False


Step = Say | UseTool

_CHARACTERS_PER_SECOND = 14.0

GREETING_FR = "Bonjour, ici l'assistante de Drainage Rive-Nord. Comment puis-je vous aider?"
GREETING_EN = "Hello, you have reached Rive-Nord Drainage. How can I help?"
PAUSE_SECONDS = 0.6  # the silence between two turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    name: str
    language: str
    about: str
    steps: tuple[Step, ...] = ()
    ended_reason: str = "customer-ended-call"
    answered: bool = True
    ring_seconds: float = 2.0
    summary: str = ""
    structured_data: dict[str, Any] = field(default_factory=dict)
    success_evaluation: str | None = "true"
    asks_for_assistant: bool = False
    sends_ended: bool = True
    sends_report: bool = True
    # The provider itself never learns that the call is over, until its longest duration has passed.
    hangs: bool = False
    customer: str = "+15142885071"

    @property
    def talk_seconds(self) -> float:
        """How long the conversation takes at its own pace, without waiting for tools."""
        texts = [step.text if isinstance(step, Say) else step.say_result for step in self.steps]
        return sum(speech_seconds(text) + PAUSE_SECONDS for text in texts)


def speech_seconds(text: str) -> float:
    return max(0.4, len(text) / _CHARACTERS_PER_SECOND)


def agent(text: str, *, interrupted_by_user: bool = False) -> Say:
    return Say(role="assistant", text=text, interrupted_by_user=interrupted_by_user)


def caller(text: str) -> Say:
    return Say(role="user", text=text)


def use_tool(name: str, arguments: dict[str, Any], *, say: str, arguments_as_text: bool = False) -> UseTool:
    return UseTool(calls=((name, arguments),), say_result=say, arguments_as_text=arguments_as_text)
