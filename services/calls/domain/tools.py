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

from services.calls.domain.arguments import Arguments, BadArguments
from services.calls.domain.call import Priority
from services.calls.domain.messages import mapping, mappings, text
from services.calls.domain.pricing import Job, quote
from services.calls.domain.priority import Request, judge
from services.calls.domain.rules import COMPLEXITIES, RuleBook
from services.calls.domain.secrets import without_secrets
from services.calls.domain.services import accept, schedule
from services.calls.domain.text import key_of

USES_MAX: Final = 50


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


def legacy_use(content: Mapping[str, Any], *, use_id: str) -> ToolUse:
    """Of a `function-call`, the predecessor of `tool-calls`: one use, without an id of its own."""
    asked = mapping(content.get("functionCall"))
    return ToolUse(
        id=use_id, name=text(asked.get("name"), length_max=100), arguments=_arguments(asked.get("parameters"))
    )


def knows(name: str) -> bool:
    """Whether `run` answers this tool: those that look up rules and change nothing."""
    return name in _TOOLS


def run(use: ToolUse, rules: RuleBook, *, now: datetime) -> ToolResult:
    """Of a tool that it `knows`. Never raises for what the model sent."""
    if use.arguments is None:
        return failure("The arguments are not a JSON object.")
    try:
        return success(_TOOLS[use.name](Arguments(use.arguments), rules, now))
    except BadArguments as exc:
        return failure(str(exc))


def unknown(use: ToolUse) -> ToolResult:
    return failure(f"There is no tool named {use.name or 'that'}.")


def success(answer: Mapping[str, Any]) -> ToolResult:
    return ToolResult(succeeded=True, text=msgspec.json.encode(answer).decode())


def failure(words: str) -> ToolResult:
    return ToolResult(succeeded=False, text=" ".join(words.split()))


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


def _calculate_quote(arguments: Arguments, rules: RuleBook, now: datetime) -> dict[str, Any]:
    complexity = key_of(arguments.text("complexity", default="standard")) or "standard"
    if complexity not in COMPLEXITIES:
        raise BadArguments(f"complexity must be one of {', '.join(COMPLEXITIES)}.")
    job = Job(
        service_type=arguments.text("serviceType"),
        location=arguments.text("location", default="", length_max=200),
        urgent=arguments.flag("urgency"),
        complexity=complexity,
        after_hours=arguments.flag_or_none("afterHours"),
        at=now,
    )
    language = arguments.language(default=rules.business_hours.language)
    found = quote(rules, job)
    if found is None:
        raise BadArguments("No price is known for this service.")
    return {
        "min": found.min,
        "max": found.max,
        "currency": found.currency,
        "message": found.message(language),
    }


def _classify_priority(arguments: Arguments, rules: RuleBook, now: datetime) -> dict[str, Any]:
    request = Request(
        description=arguments.text("description"),
        customer_type=arguments.text("customerType", default="", length_max=100),
        value=arguments.amount("estimatedValue") or 0,
        at=now,
    )
    judgement = judge(rules, request)
    return {
        "priority": judgement.priority.value,
        "reason": judgement.reason,
        "slaSeconds": judgement.sla_seconds,
    }


def _validate_service(arguments: Arguments, rules: RuleBook, _now: datetime) -> dict[str, Any]:
    language = arguments.language(default=rules.business_hours.language)
    service = arguments.text(arguments.sent("service", "serviceType"))
    found = accept(rules, service, language=language)
    return {"accepted": found.accepted, "reason": found.verdict.lower(), "message": found.message}


def _evaluate_scheduling(arguments: Arguments, rules: RuleBook, now: datetime) -> dict[str, Any]:
    """An urgent request of no known priority is P1."""
    urgent = Priority.P1 if arguments.flag("urgency") else None
    found = schedule(
        rules,
        service_type=arguments.text("serviceType", default="", length_max=100),
        priority=arguments.priority("priority") or urgent,
        language=arguments.language(default=rules.business_hours.language),
        now=now,
    )
    return {
        "window": found.window,
        "canSchedule": found.can_schedule,
        "message": found.message,
        "earliestDate": found.earliest_on.isoformat() if found.earliest_on else None,
        "requirements": list(found.requirements),
    }


_TOOLS: Final[Mapping[str, Callable[[Arguments, RuleBook, datetime], dict[str, Any]]]] = {
    "calculateQuote": _calculate_quote,
    "classifyPriority": _classify_priority,
    "validateServiceRequest": _validate_service,
    "evaluateScheduling": _evaluate_scheduling,
}
