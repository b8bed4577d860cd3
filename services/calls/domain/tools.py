"""Tools the assistant may use during a call. What the model sends is untrusted; every answer is one line of
text.

Seen shapes of one use: `{id, type, function: {name, arguments}}` with the arguments as an object or as JSON
text, flat `{id, name, parameters}`, flat `{id, name, arguments}`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.calls.domain.customer import amount
from services.calls.domain.messages import mapping, mappings, text
from services.calls.domain.pricing import COMPLEXITIES, quote
from services.calls.domain.rules import RuleBook, judge
from services.calls.domain.secrets import without_secrets
from services.calls.domain.text import key_of

USES_MAX: Final = 50
_TEXT_LENGTH_MAX: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """`arguments` is None if they could not be read."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """`text` is the result, or what went wrong in words for the model; one line."""

    succeeded: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One use in the record, with what was answered."""

    id: UUID
    tool_call_id: str
    name: str
    arguments: Mapping[str, Any]
    result: str
    status: str
    executed_at: datetime
    duration_ms: float


class _BadArguments(Exception):
    """The text tells the model what to send instead."""


def tool_uses(content: Mapping[str, Any]) -> list[ToolUse]:
    """Each use once, in the order in which they were asked for."""
    asked = mappings(content.get("toolCallList")) or mappings(content.get("toolCalls"))
    if not asked:
        asked = [_with_name(item) for item in mappings(content.get("toolWithToolCallList"))]
    uses: dict[str, ToolUse] = {}
    for use in map(_use, asked[:USES_MAX]):
        if use.id:
            uses.setdefault(use.id, use)
    return list(uses.values())


def legacy_use(content: Mapping[str, Any]) -> ToolUse:
    """Of a `function-call`, the predecessor of `tool-calls`: one use, without an id."""
    asked = mapping(content.get("functionCall"))
    return ToolUse(
        id="", name=text(asked.get("name"), length_max=100), arguments=_arguments(asked.get("parameters"))
    )


def run(use: ToolUse, rules: RuleBook) -> ToolResult:
    """Never raises for what the model sent."""
    tool = _TOOLS.get(use.name)
    if tool is None:
        return ToolResult(
            succeeded=False, text=f"There is no tool named {use.name or 'that'}.".replace("\n", " ")
        )
    if use.arguments is None:
        return ToolResult(succeeded=False, text="The arguments are not a JSON object.")
    try:
        answer = tool(use.arguments, rules)
    except _BadArguments as exc:
        return ToolResult(succeeded=False, text=str(exc))
    return ToolResult(succeeded=True, text=msgspec.json.encode(answer).decode())


def _with_name(item: Mapping[str, Any]) -> Mapping[str, Any]:
    function = mapping(item.get("function"))
    return {"name": item.get("name") or function.get("name"), **mapping(item.get("toolCall"))}


def _use(item: Mapping[str, Any]) -> ToolUse:
    function = mapping(item.get("function"))
    name = function.get("name") or item.get("name")
    candidates: Sequence[Any] = (
        function.get("arguments"), function.get("parameters"), item.get("arguments"), item.get("parameters"),
    )  # fmt: skip
    told = next((value for value in candidates if value is not None), None)
    return ToolUse(
        id=text(item.get("id"), length_max=100), name=text(name, length_max=100), arguments=_arguments(told)
    )


def _arguments(told: Any) -> Mapping[str, Any] | None:
    """Nothing at all is an empty object. Secrets may hide in JSON text, where nobody looked yet."""
    if told in (None, ""):
        return {}
    if isinstance(told, str):
        try:
            told = msgspec.json.decode(told.replace("\\u0000", ""))
        except (ValueError, RecursionError):
            return None
    return without_secrets(told) if isinstance(told, dict) else None


def _calculate_quote(arguments: Mapping[str, Any], rules: RuleBook) -> dict[str, Any]:
    complexity = key_of(_text(arguments, "complexity", default="standard")) or "standard"
    if complexity not in COMPLEXITIES:
        raise _BadArguments(f"complexity must be one of {', '.join(COMPLEXITIES)}.")
    found = quote(
        rules,
        service_type=_text(arguments, "serviceType"),
        location=_text(arguments, "location", default=""),
        urgent=_flag(arguments, "urgency"),
        complexity=complexity,
    )
    if found is None:
        raise _BadArguments("No price is known for this service.")
    return {"min": found.min, "max": found.max, "currency": found.currency, "message": found.message}


def _classify_priority(arguments: Mapping[str, Any], rules: RuleBook) -> dict[str, Any]:
    description = _text(arguments, "description")
    judgement = judge(rules, text=description, value=_estimated_value(arguments))
    return {
        "priority": judgement.priority.value,
        "reason": judgement.reason,
        "slaSeconds": judgement.sla_seconds,
    }


def _text(arguments: Mapping[str, Any], name: str, *, default: str | None = None) -> str:
    told = arguments.get(name)
    if told is None and default is not None:
        return default
    if not isinstance(told, str) or (default is None and not told.strip()):
        raise _BadArguments(f"{name} must be text.")
    return told[:_TEXT_LENGTH_MAX]


def _flag(arguments: Mapping[str, Any], name: str) -> bool:
    told = arguments.get(name)
    if isinstance(told, str):
        told = {"true": True, "false": False, "": False}.get(told.strip().lower(), told)
    if told not in (None, True, False):
        raise _BadArguments(f"{name} must be true or false.")
    return bool(told)


def _estimated_value(arguments: Mapping[str, Any]) -> int:
    told = arguments.get("estimatedValue")
    if told in (None, ""):
        return 0
    try:
        return amount(told)
    except ValueError:
        raise _BadArguments("estimatedValue must be a number that is not negative.") from None


_TOOLS: Final[Mapping[str, Callable[[Mapping[str, Any], RuleBook], dict[str, Any]]]] = {
    "calculateQuote": _calculate_quote,
    "classifyPriority": _classify_priority,
}
