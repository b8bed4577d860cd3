"""What the provider is told when nobody can work out an answer in time: something to go on with, never an
error.

The provider ignores answers that are not 200, and the caller would hear silence.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.gateway.domain import messages

_SPOKEN: Final = (
    "Sorry, we cannot take your call right now. Please call again in a few minutes. "
    "Désolé, nous ne pouvons pas prendre votre appel. Veuillez rappeler dans quelques minutes."
)
_TOOL_ERROR: Final = "The service is not reachable at the moment. Apologize and offer a call back."

_ANSWERS: Final[Mapping[str, Any]] = {
    "assistant-request": {"error": _SPOKEN},
    "function-call": {"result": _TOOL_ERROR},
    "transfer-destination-request": {"error": "No transfer is possible at the moment."},
    "handoff-destination-request": {"error": "No handoff is possible at the moment."},
    "knowledge-base-request": {"documents": []},
    "call.endpointing.request": {"timeoutSeconds": 1},
    # Better not to dial than to dial somebody who must not be called.
    "campaign.predial": {"eligible": False},
}


# Enough to be sound at all.
_SILENCE_SECONDS: Final = 0.1
_BYTES_PER_SAMPLE: Final = 2


def silence(body: bytes) -> bytes:
    """The answer to a `voice-request`: 16-bit mono PCM at the rate it asks for. We speak no text, and JSON
    would be played as noise."""
    return bytes(round(messages.sample_rate_of(body) * _SILENCE_SECONDS) * _BYTES_PER_SAMPLE)


def answer(message_type: str, body: bytes, *, default_assistant_id: str = "") -> bytes:
    """The JSON body of the answer; empty for types whose answer is no JSON. Better the source's default
    assistant, who can at least talk, than an apology."""
    if message_type == "assistant-request" and default_assistant_id:
        return msgspec.json.encode({"assistantId": default_assistant_id})
    if message_type == "tool-calls":
        results = [
            {"name": name, "toolCallId": id_, "error": _TOOL_ERROR}
            for id_, name in messages.tool_calls_of(body)
        ]
        return msgspec.json.encode({"results": results})
    found = _ANSWERS.get(message_type)
    return b"" if found is None else msgspec.json.encode(found)
