"""What a webhook that waits for an answer is told when no rule of ours has more to say. Each is the
provider's own way of saying "go on without us"."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.calls.domain.business_hours import Language
from services.calls.domain.tools import ToolResult, ToolUse
from services.calls.domain.transfers import DestinationKind, TransferDestination, sentence

_NEUTRAL: Final[Mapping[str, Mapping[str, Any]]] = {
    "transfer-destination-request": {"error": "There is nobody to transfer this call to at the moment."},
    "handoff-destination-request": {"error": "There is nobody to hand this call over to at the moment."},
    "knowledge-base-request": {"documents": []},
    "call.endpointing.request": {"timeoutSeconds": 0.5},
    "campaign.predial": {"eligible": True},
}


def neutral(message_type: str) -> Mapping[str, Any] | None:
    """None where no JSON is expected: speech is answered with sound, everything else not at all."""
    return _NEUTRAL.get(message_type)


def tool_results(answered: Sequence[tuple[ToolUse, ToolResult]]) -> Mapping[str, Any]:
    return {"results": [_tool_result(use, result) for use, result in answered]}


def transfer(destination: TransferDestination, *, language: Language) -> Mapping[str, Any]:
    """The answer to a `transfer-destination-request`."""
    address = "number" if destination.kind is DestinationKind.NUMBER else "sipUri"
    return {
        "destination": {
            "type": destination.kind.lower(),
            address: destination.address,
            "message": sentence(destination, language),
        }
    }


def legacy_result(result: ToolResult) -> Mapping[str, Any]:
    """The answer to a `function-call`."""
    return {"result" if result.succeeded else "error": result.text}


def _tool_result(use: ToolUse, result: ToolResult) -> Mapping[str, Any]:
    outcome = {"result" if result.succeeded else "error": result.text}
    return {"name": use.name, "toolCallId": use.id, **outcome}
