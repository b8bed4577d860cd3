"""The webhooks that are sent: the sandbox's scripted calls, written out ahead in the provider's shapes.

A script is played once, on paper; each call is a copy of it with its own id and its own customer's number, so
that nothing is a duplicate and no two calls touch the same lead. Tool calls are part of the conversation, but
sent by themselves (`tool_calls_body`): they are answered on another path.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from deploy.sandbox import messages
from deploy.sandbox.call import Call
from deploy.sandbox.config import VAPI_ASSISTANT_ID, VAPI_PHONE_NUMBER_ID
from deploy.sandbox.conversation import Conversation
from deploy.sandbox.cost import cost_of
from deploy.sandbox.moments import iso, milliseconds, now
from deploy.sandbox.scripts import standard
from deploy.sandbox.scripts.script import PAUSE_SECONDS, Say, Script, UseTool, speech_seconds

# Calls under way at once: the next webhook of a call is due when each of the others has sent one.
CALLS_AT_ONCE = 200
_CALL_ID = "00000000-0000-4000-8000-000000000000"
_CUSTOMER = "+15140000000"
_TOOL_CALL_ID = "call_000000000000000000000000"
_ASSISTANT = {
    "id": VAPI_ASSISTANT_ID,
    "name": "Reception",
    "firstMessage": "Hello, you have reached Rive-Nord Drainage. How can I help?",
    "model": {"provider": "openai", "model": "gpt-4o"},
    "voice": {"provider": "11labs", "voiceId": "burt"},
    "transcriber": {"provider": "deepgram", "model": "nova-2", "language": "multi"},
    "maxDurationSeconds": 600,
}
_PROMPT = (
    "You answer the phone of a drain-cleaning business near Montreal, in the caller's language. "
    "Ask what happened, where, and since when. Water that rises is an emergency. Take the name, the address "
    "with its postal code, and an e-mail address. Never promise a price; a person calls back. "
) * 3


@dataclass(frozen=True, slots=True)
class Webhook:
    type: str
    body: bytes


def sizes(sent: Sequence[Webhook]) -> dict[str, dict[str, int]]:
    """Per type: how many, and the mean and largest size in bytes."""
    counts = Counter(webhook.type for webhook in sent)
    found = {}
    for kind, count in counts.most_common():
        lengths = [len(webhook.body) for webhook in sent if webhook.type == kind]
        found[kind] = {"count": count, "mean_bytes": sum(lengths) // count, "max_bytes": max(lengths)}
    return found


def tool_calls_body(*, call_id: str) -> bytes:
    """A request for a quote in the middle of a call, under a tool call id of its own."""
    tool_call_id = f"call_{uuid.uuid4().hex[:24]}"
    body = _tool_calls_template().replace(_CALL_ID.encode(), call_id.encode())
    return body.replace(_TOOL_CALL_ID.encode(), tool_call_id.encode())


@cache
def _tool_calls_template() -> bytes:
    return _Writing(standard.SCRIPTS[0]).tool_calls(_QUOTE)


def webhooks(*, first_call: int) -> Iterator[Webhook]:
    """Without end, of calls under way at the same time, beginning with the call of this number."""
    scripts = [written_out(script) for script in standard.SCRIPTS]
    under_way: list[Iterator[Webhook]] = []
    for index in range(CALLS_AT_ONCE):
        # Calls that are under way already, each at another point.
        script = scripts[index % len(scripts)]
        under_way.append(_of_call(script[index * len(script) // CALLS_AT_ONCE :], first_call + index))
    number = first_call + CALLS_AT_ONCE
    while True:
        while len(under_way) < CALLS_AT_ONCE:
            under_way.append(_of_call(scripts[number % len(scripts)], number))
            number += 1
        for call in list(under_way):
            webhook = next(call, None)
            if webhook is None:
                under_way.remove(call)
            else:
                yield webhook


def _of_call(script: list[Webhook], number: int) -> Iterator[Webhook]:
    call_id = str(uuid.uuid4()).encode()
    customer = f"+1514{2_000_000 + number % 7_999_999}".encode()
    for webhook in script:
        body = webhook.body.replace(_CALL_ID.encode(), call_id).replace(_CUSTOMER.encode(), customer)
        yield Webhook(webhook.type, body)


def written_out(script: Script) -> list[Webhook]:
    """Everything a call of this script sends, in order."""
    return _Writing(script).written()


_QUOTE = {"serviceType": "debouchage", "location": "rive_sud", "urgency": True, "complexity": "standard"}


class _Writing:
    def __init__(self, script: Script) -> None:
        self._script = script
        begun = now() - timedelta(seconds=script.talk_seconds + 10)
        self._clock = begun
        self._call = Call(
            id=_CALL_ID,
            type="inboundPhoneCall",
            status="ringing",
            first_status="ringing",
            created_at=iso(begun),
            updated_at=iso(begun),
            phone_number_id=VAPI_PHONE_NUMBER_ID,
            assistant_id=VAPI_ASSISTANT_ID,
            customer={"number": _CUSTOMER},
            provider_sid="CA" + "0" * 32,
            script=script.name,
        )
        self._sent: list[Webhook] = []

    def written(self) -> list[Webhook]:
        self._send("status-update", messages.status_update("ringing"))
        self._clock += timedelta(seconds=self._script.ring_seconds)
        answered_at, self._call.started_at = self._clock, iso(self._clock)
        self._send("status-update", messages.status_update("in-progress"))
        conversation = Conversation(self._call, answered_at=answered_at, prompt=_PROMPT)
        for step in self._script.steps:
            self._play(conversation, step)
        self._end(answered_at)
        return self._sent

    def tool_calls(self, arguments: dict[str, Any]) -> bytes:
        """After all that was said."""
        self.written()
        call = messages.tool_call(_TOOL_CALL_ID, "calculateQuote", arguments, as_text=False)
        self._send("tool-calls", messages.tool_calls([call], assistant=_ASSISTANT))
        return self._sent[-1].body

    def _play(self, conversation: Conversation, step: Say | UseTool) -> None:
        if isinstance(step, Say):
            self._say(conversation, step)
            return
        name, arguments = step.calls[0]
        call = messages.tool_call(_TOOL_CALL_ID, name, arguments, as_text=False)
        conversation.add_tool_calls([call], at=self._clock)
        conversation.add_tool_result(call, step.say_failure, at=self._clock)

    def _say(self, conversation: Conversation, step: Say) -> None:
        conversation.turn += 1
        turn = {"role": step.role, "turn": conversation.turn}
        self._send("speech-update", {"status": "started", **turn})
        started_at = self._clock
        self._clock += timedelta(seconds=speech_seconds(step.text))
        conversation.add_speech(step.role, step.text, started_at=started_at, ended_at=self._clock)
        self._send("transcript", messages.transcript(step.role, "final", step.text))
        self._send("speech-update", {"status": "stopped", **turn})
        self._send("conversation-update", messages.conversation_update(self._call.messages))
        self._clock += timedelta(seconds=PAUSE_SECONDS)

    def _end(self, answered_at: datetime) -> None:
        call, script = self._call, self._script
        call.ended_at, call.ended_reason = iso(self._clock), script.ended_reason
        talked = (self._clock - answered_at).total_seconds()
        characters = sum(len(message.get("message", "")) for message in call.messages)
        call.cost, call.costs, call.cost_breakdown = cost_of(talked, characters=characters)
        call.recording_url = f"https://storage.example.com/{_CALL_ID}"
        call.analysis = {
            "summary": script.summary,
            "structuredData": script.structured_data,
            "successEvaluation": script.success_evaluation,
        }
        self._send("status-update", messages.status_update("ended", ended_reason=script.ended_reason))
        self._send("end-of-call-report", messages.end_of_call_report(call, duration_seconds=talked))

    def _send(self, message_type: str, fields: dict[str, Any]) -> None:
        # No two webhooks of a call happen in the same millisecond.
        self._clock += timedelta(milliseconds=5)
        message = messages.envelope(self._call, message_type, fields, phone_number=None, assistant=_ASSISTANT)
        message["timestamp"] = milliseconds(self._clock)
        self._sent.append(Webhook(message_type, msgspec.json.encode({"message": message})))
