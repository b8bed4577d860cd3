"""The growing record of one talk, in Vapi's own message shapes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from deploy.sandbox.call import Call
from deploy.sandbox.moments import milliseconds

_ROLES = {"assistant": "bot", "user": "user"}
_SPEAKERS = {"bot": "AI", "user": "User"}
NO_RESULT = "No result returned."


class Conversation:
    """Writes into `call.messages` and `call.transcript`; `turn` counts utterances."""

    def __init__(self, call: Call, *, answered_at: datetime, prompt: str) -> None:
        self._call = call
        self._answered_at = answered_at
        self.turn = 0
        if prompt:
            self._add({"role": "system", "message": prompt, **self._at(answered_at)})

    def add_speech(self, role: str, text: str, *, started_at: datetime, ended_at: datetime) -> None:
        spoken = {
            "role": _ROLES[role],
            "message": text,
            **self._at(started_at),
            "endTime": milliseconds(ended_at),
            "duration": milliseconds(ended_at) - milliseconds(started_at),
        }
        self._add({**spoken, "source": ""} if role == "assistant" else spoken)

    def add_tool_calls(self, tool_calls: list[dict[str, Any]], *, at: datetime) -> None:
        self._add({"role": "tool_calls", "message": "", "toolCalls": tool_calls, **self._at(at)})

    def add_tool_result(self, tool_call: dict[str, Any], result: str, *, at: datetime) -> None:
        self._add(
            {
                "role": "tool_call_result",
                "name": tool_call["function"]["name"],
                "toolCallId": tool_call["id"],
                "result": result,
                **self._at(at),
            }
        )

    def _at(self, moment: datetime) -> dict[str, float]:
        elapsed = (moment - self._answered_at).total_seconds()
        return {"time": milliseconds(moment), "secondsFromStart": round(elapsed, 3)}

    def _add(self, message: dict[str, Any]) -> None:
        self._call.messages.append(message)
        speaker = _SPEAKERS.get(message["role"])
        if speaker:
            self._call.transcript += f"{speaker}: {message['message']}\n"


def tool_result(answer: Any, tool_call_id: str) -> str | None:
    """What the model is told: the text result or error for this tool call; None when the answer is no good.

    Vapi wants `{"results": [{"toolCallId", "result": "<one line>"}]}`; anything else is no result.
    """
    results = answer.get("results") if isinstance(answer, dict) else None
    for entry in results if isinstance(results, list) else []:
        if isinstance(entry, dict) and entry.get("toolCallId") == tool_call_id:
            text = entry.get("result", entry.get("error"))
            return text if isinstance(text, str) and "\n" not in text else None
    return None
