"""Every type of message the voice provider documents or was seen to send, in a message of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.vapi_messages import message, said, tool_use


@dataclass(frozen=True)
class Kind:
    """`fields` are what sets this type apart. `status` is what a call that nothing else is known of has
    after it, `answered` whether the provider waits for more than an acknowledgement."""

    type: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    status: str = "RINGING"
    answered: bool = False

    def __str__(self) -> str:
        return self.type

    def body(self, call_id: str = "") -> bytes:
        return message(self.type, call_id or f"call of {self.type}", at=7, **self.fields)


TALKING = "IN_PROGRESS"
_USE = tool_use("call_1", "calculateQuote", {"serviceType": "debouchage"})
_OPENAI = [{"role": "user", "content": "What do you charge?"}]
_ROOM = {"type": "number", "number": "+15145550199"}

KINDS = (
    Kind("assistant-request", answered=True),
    Kind(
        "tool-calls",
        {"toolCallList": [_USE], "toolWithToolCallList": [{"type": "make", "name": "x", "toolCall": _USE}]},
        status=TALKING,
        answered=True,
    ),
    Kind(
        "function-call", {"functionCall": {"name": "nobody", "parameters": {}}}, status=TALKING, answered=True
    ),
    Kind("transfer-destination-request", answered=True),
    Kind("handoff-destination-request", {"parameters": {"destination": "billing"}}, answered=True),
    Kind("knowledge-base-request", {"messagesOpenAIFormatted": _OPENAI}, answered=True),
    Kind("call.endpointing.request", {"messagesOpenAIFormatted": _OPENAI}, answered=True),
    Kind("voice-request", {"text": "Bonjour", "sampleRate": 16_000}, answered=True),
    Kind("campaign.predial", {"campaignId": "cmp-1", "contact": {"number": "+15145550101"}}, answered=True),
    Kind("status-update", {"status": "in-progress"}, status=TALKING),
    Kind("end-of-call-report", {"endedReason": "hangup", "analysis": {}, "artifact": {}}, status="ENDED"),
    Kind("hang"),
    Kind("conversation-update", {"messages": [said("user", "Bonjour", at=1)]}, status=TALKING),
    Kind(
        'transcript[transcriptType="final"]',
        {"role": "user", "transcriptType": "final", "transcript": "Oui"},
        status=TALKING,
    ),
    Kind("transcript", {"role": "user", "transcriptType": "partial", "transcript": "O"}, status=TALKING),
    Kind("speech-update", {"status": "started", "role": "assistant", "turn": 0}, status=TALKING),
    Kind("assistant.speechStarted", {"text": "Bonjour", "turn": 0, "source": "model"}, status=TALKING),
    Kind("assistant.started", {"newAssistant": {"name": "Ann"}}),
    Kind("model-output", {"output": "Bon", "turnId": "t-1"}),
    Kind("transfer-update", {"destination": _ROOM}, status=TALKING),
    Kind("user-interrupted", {"turnId": "t-1"}, status=TALKING),
    Kind("language-change-detected", {"language": "fr"}, status=TALKING),
    Kind("language-changed", {"language": "fr"}, status=TALKING),
    Kind("phone-call-control", {"request": "forward", "destination": _ROOM}),
    Kind("voice-input", {"input": "Bonjour"}, status=TALKING),
    Kind("tool-calls-result", {"toolCallResult": {"toolCallId": "call_1", "result": "525"}}),
    Kind("tool.completed", {"toolCallId": "call_1"}),
    Kind("metadata", {"metadata": "x"}),
    Kind("workflow.node.started", {"node": {"name": "start"}}),
    Kind("chat.created", {"chat": {"id": "chat-1"}}),
    Kind("chat.deleted", {"chat": {"id": "chat-1"}}),
    Kind("session.created", {"session": {"id": "s-1"}}),
    Kind("session.updated", {"session": {"id": "s-1"}}),
    Kind("session.deleted", {"session": {"id": "s-1"}}),
    Kind("call.deleted"),
    Kind("call.delete.failed"),
    Kind("call.artifact.upload", {"artifacts": [{"type": "recording"}]}),
    Kind("campaign.event", {"campaignId": "cmp-1", "eventType": "campaign.started", "data": {}}),
    Kind("nobody.thought.of.this.yet", {"status": 7, "role": ["x"], "text": {"a": None}}),
)
ANSWERED = tuple(kind for kind in KINDS if kind.answered)
ACKNOWLEDGED = tuple(kind for kind in KINDS if not kind.answered)


def has_documented_shape(message_type: str, answer: Mapping[str, Any]) -> bool:
    """Whether the provider can use the answer, as its reference describes them."""
    return _SHAPES[message_type](answer)


def _is_result(result: Mapping[str, Any]) -> bool:
    named = _is_line(result.get("name")) and _is_line(result.get("toolCallId"))
    return named and _is_line(result.get("result")) != _is_line(result.get("error"))


def _is_line(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\n" not in value


def _may_be_refused(answer: Mapping[str, Any]) -> bool:
    return _is_line(answer.get("error")) or isinstance(answer.get("destination"), dict)


_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "assistant-request": lambda answer: _is_line(answer.get("error")) or _is_line(answer.get("assistantId")),
    "tool-calls": lambda answer: bool(answer["results"]) and all(map(_is_result, answer["results"])),
    "function-call": lambda answer: _is_line(answer.get("result")) != _is_line(answer.get("error")),
    "transfer-destination-request": _may_be_refused,
    "handoff-destination-request": _may_be_refused,
    "knowledge-base-request": lambda answer: isinstance(answer.get("documents"), list),
    "call.endpointing.request": lambda answer: 0 <= answer["timeoutSeconds"] <= 15,
    "campaign.predial": lambda answer: isinstance(answer["eligible"], bool),
}
