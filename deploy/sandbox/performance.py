"""Plays one call: rings, talks, calls tools, ends and reports, sending what Vapi sends at each point."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from deploy.sandbox import messages
from deploy.sandbox.call import Call
from deploy.sandbox.conversation import NO_RESULT, Conversation, tool_result
from deploy.sandbox.cost import cost_of
from deploy.sandbox.moments import iso, now
from deploy.sandbox.scripts.script import PAUSE_SECONDS, Say, Script, UseTool, speech_seconds
from deploy.sandbox.sender import Sender, Stage

_HANG_AFTER_SECONDS = 5.0
_DEFAULT_DURATION_MAX_SECONDS = 600.0


class HungUp(Exception):
    """The call is over before its script is; the argument is the ended reason."""


@dataclass(slots=True, kw_only=True)
class Performance:
    """`scale` is how many real seconds one scripted second takes; `hang_up` set to a reason ends the call."""

    call: Call
    script: Script
    stage: Stage
    sender: Sender
    scale: float
    rng: random.Random
    hang_up: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _answered_at: datetime | None = None
    _deadline: float | None = None
    _talked_seconds: float = 0.0

    async def run(self) -> None:
        """Plays the call to its end. A call that was cut short still gets its end messages."""
        try:
            await self._begin()
            if self.script.answered:
                await self._talk()
            reason = self.script.ended_reason
        except HungUp as hung_up:
            reason = str(hung_up)
        await self.finish(reason)

    async def finish(self, reason: str) -> None:
        """Ends the call at the provider, sends `ended`, and a little later the report."""
        call = self.call
        call.status, call.ended_reason = "ended", call.ended_reason or reason
        call.ended_at = call.ended_at or iso(now())
        self._settle_cost()
        self._changed("ended")
        if self.script.sends_ended:
            self.sender.send("status-update", messages.status_update("ended", ended_reason=call.ended_reason))
        settings = self.stage.settings()
        await asyncio.sleep(settings.report_delay_seconds)
        self._analyze()
        call.reported = True
        self._changed("reported")
        if self.script.sends_report:
            self.sender.send(
                "end-of-call-report", messages.end_of_call_report(call, duration_seconds=self._duration())
            )

    async def _begin(self) -> None:
        call = self.call
        if call.asked_for_assistant:
            call.status = "ringing"
            await self._ask_for_assistant()
        if call.outbound:
            await self._pause(self.script.ring_seconds * 0.1)
        call.status = "ringing"
        self._changed("ringing")
        self.sender.send("status-update", messages.status_update("ringing"))
        await self._pause(self.script.ring_seconds * 0.9)

    async def _ask_for_assistant(self) -> None:
        """The synchronous question an inbound call on a number without an assistant begins with."""
        answer = await self.sender.ask("assistant-request", {})
        body = answer.body if answer and answer.status < 300 else None
        if not isinstance(body, dict):
            raise HungUp("assistant-request-failed")
        if body.get("error"):
            raise HungUp("assistant-request-returned-error")
        if body.get("destination"):
            raise HungUp("assistant-request-returned-forwarding-phone-number")
        self.call.assistant_id = body.get("assistantId")
        self.call.assistant = body.get("assistant")
        self.call.assistant_overrides = body.get("assistantOverrides")
        if not self.call.assistant_id and not self.call.assistant:
            raise HungUp("assistant-request-returned-no-assistant")
        if self.sender.assistant() is None:
            raise HungUp("assistant-request-returned-invalid-assistant")

    async def _talk(self) -> None:
        call = self.call
        self._answered_at = now()
        call.status, call.started_at = "in-progress", iso(self._answered_at)
        call.recording_url = f"{self.stage.recordings_url}/{call.id}"
        self._deadline = asyncio.get_running_loop().time() + self._duration_max_seconds()
        self._changed("in-progress")
        self.sender.send("status-update", messages.status_update("in-progress"))
        assistant = self.sender.assistant()
        self.sender.send("assistant.started", {"newAssistant": assistant or {}})
        conversation = Conversation(call, answered_at=self._answered_at, prompt=_prompt(assistant))
        for step in self.script.steps:
            if isinstance(step, Say):
                await self._say(conversation, step)
            else:
                await self._use_tools(conversation, step)
        if self.script.hangs:
            await self._wait_until_cut_off()

    async def _say(self, conversation: Conversation, step: Say) -> None:
        seconds = speech_seconds(step.text) * (0.5 if step.interrupted_by_user else 1.0)
        conversation.turn += 1
        self._speech_update(conversation, step.role, "started")
        started_at = now()
        half = step.text[: len(step.text) // 2].rsplit(" ", 1)[0]
        await self._pause(seconds * 0.5)
        if step.role == "user" and half:
            self._transcript(step.role, "partial", half)
        await self._pause(seconds * 0.5)
        conversation.add_speech(step.role, step.text, started_at=started_at, ended_at=now())
        self._talked_seconds += seconds + PAUSE_SECONDS
        if step.interrupted_by_user:
            self.sender.send("user-interrupted", {"turnId": str(uuid.UUID(int=self.rng.getrandbits(128)))})
        self._transcript(step.role, "final", step.text)
        self._speech_update(conversation, step.role, "stopped")
        self.sender.send("conversation-update", messages.conversation_update(self.call.messages))
        await self._pause(PAUSE_SECONDS)

    async def _use_tools(self, conversation: Conversation, step: UseTool) -> None:
        """Sends one tool-calls message, waits for the answer, and says what came of it."""
        calls = [
            messages.tool_call(self._tool_call_id(), name, arguments, as_text=step.arguments_as_text)
            for name, arguments in step.calls
        ]
        conversation.add_tool_calls(calls, at=now())
        asked_at = asyncio.get_running_loop().time()
        assistant = self.sender.assistant()
        tool = messages.tool_definition(assistant, calls[0]["function"]["name"])
        answer = await self.sender.ask(
            "tool-calls", messages.tool_calls(calls, assistant=assistant), server=tool.get("server")
        )
        if asyncio.get_running_loop().time() - asked_at > _HANG_AFTER_SECONDS:
            self.sender.send("hang", {})
        body = answer.body if answer and answer.status == 200 else None
        results = [tool_result(body, call["id"]) for call in calls]
        for call, result in zip(calls, results, strict=True):
            self.call.note(
                f"tool {call['function']['name']}: {'answered' if result else 'no result'}", iso(now())
            )
            conversation.add_tool_result(call, result or NO_RESULT, at=now())
        text = _spoken(step, results[0])
        await self._say(conversation, Say(role="assistant", text=text))

    def _speech_update(self, conversation: Conversation, role: str, status: str) -> None:
        self.sender.send("speech-update", {"status": status, "role": role, "turn": conversation.turn})

    def _transcript(self, role: str, transcript_type: str, text: str) -> None:
        fields = messages.transcript(role, transcript_type, text)
        self.sender.send("transcript", fields, transcript_type=transcript_type)

    async def _pause(self, scripted_seconds: float) -> None:
        """Waits in the call's own time; raises HungUp when somebody ends the call or its time is up."""
        seconds = scripted_seconds * self.scale
        if self._deadline is not None:
            left = self._deadline - asyncio.get_running_loop().time()
            if left <= seconds:
                await self._or_hung_up(max(0.0, left))
                raise HungUp("exceeded-max-duration")
        await self._or_hung_up(seconds)

    async def _or_hung_up(self, seconds: float) -> None:
        done, _ = await asyncio.wait({self.hang_up}, timeout=seconds)
        if done:
            raise HungUp(self.hang_up.result())

    async def _wait_until_cut_off(self) -> None:
        left = (self._deadline or 0.0) - asyncio.get_running_loop().time()
        await self._or_hung_up(max(0.0, left))

    def _duration_max_seconds(self) -> float:
        chosen = (self.sender.assistant() or {}).get("maxDurationSeconds") or _DEFAULT_DURATION_MAX_SECONDS
        return self.stage.settings().real_seconds(float(chosen))

    def _changed(self, what: str) -> None:
        moment = iso(now())
        self.call.updated_at = moment
        self.call.note(what, moment)
        self.stage.changed(self.call)

    def _settle_cost(self) -> None:
        if self.call.started_at is None:
            return
        spoken = [m["message"] for m in self.call.messages if m["role"] == "bot"]
        characters = sum(len(text) for text in spoken)
        self.call.cost, self.call.costs, self.call.cost_breakdown = cost_of(
            self._talked_seconds, characters=characters
        )

    def _analyze(self) -> None:
        """Vapi leaves the analysis empty when nobody talked."""
        if self.call.started_at is None or not self.script.summary:
            self.call.analysis = {}
            return
        analysis: dict[str, Any] = {"summary": self.script.summary}
        if self.script.structured_data:
            analysis["structuredData"] = self.script.structured_data
        if self.script.success_evaluation is not None:
            analysis["successEvaluation"] = self.script.success_evaluation
        self.call.analysis = analysis

    def _duration(self) -> float:
        call = self.call
        if call.started_at is None or call.ended_at is None:
            return 0.0
        return (
            datetime.fromisoformat(call.ended_at) - datetime.fromisoformat(call.started_at)
        ).total_seconds()

    def _tool_call_id(self) -> str:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return "call_" + "".join(self.rng.choices(alphabet, k=24))


def _prompt(assistant: dict[str, Any] | None) -> str:
    written = ((assistant or {}).get("model") or {}).get("messages") or []
    return next((str(m.get("content", "")) for m in written if m.get("role") == "system"), "")


def _spoken(step: UseTool, result: str | None) -> str:
    """The assistant's words after a tool call, with the fields of a JSON result filled in."""
    if result is None:
        return step.say_failure
    try:
        fields = msgspec.json.decode(result)
        return step.say_result.format_map({name: str(value) for name, value in fields.items()})
    except (msgspec.DecodeError, AttributeError, KeyError, ValueError):
        return result
