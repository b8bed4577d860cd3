"""Tools: whatever shape the request has, the answer is one line."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import RuleBook
from services.calls.domain.tools import ToolUse, legacy_use, run, tool_uses

PACK = RULE_PACKS["drain_cleaning_quebec"]
# A Friday morning in Montreal.
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def use(name: str, arguments: Any) -> ToolUse:
    return ToolUse(id="call_1", name=name, arguments=arguments)


@pytest.mark.parametrize(
    "asked",
    [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"id": "call_1", "type": "function", "function": {"name": "f", "parameters": {"a": 1}}},
        {"id": "call_1", "name": "f", "parameters": {"a": 1}},
        {"id": "call_1", "name": "f", "arguments": {"a": 1}},
        {"id": "call_1", "name": "f", "arguments": '{\n "a": 1\n}'},
    ],
)
@pytest.mark.parametrize("key", ["toolCallList", "toolCalls"])
def test_every_seen_shape_is_read(asked: dict[str, Any], key: str) -> None:
    assert [use("f", {"a": 1})] == tool_uses({key: [asked]})


def test_a_request_with_only_the_nested_list_is_read() -> None:
    content = {"toolWithToolCallList": [{"name": "f", "toolCall": {"id": "call_1", "parameters": {"a": 1}}}]}

    assert [use("f", {"a": 1})] == tool_uses(content)


@pytest.mark.parametrize("arguments", [None, "", {}, "{}"])
def test_no_arguments_are_none(arguments: Any) -> None:
    assert [use("f", {})] == tool_uses(
        {"toolCalls": [{"id": "call_1", "function": {"name": "f", "arguments": arguments}}]}
    )


@pytest.mark.parametrize("arguments", ["{", "[1]", "5", 5, ["a"], "[" * 5000])
def test_arguments_that_are_no_object_are_none(arguments: Any) -> None:
    found = tool_uses({"toolCalls": [{"id": "call_1", "function": {"name": "f", "arguments": arguments}}]})

    assert [use("f", None)] == found


def test_each_use_counts_once_and_in_order() -> None:
    asked = [{"id": f"toolu_{number}", "name": "f"} for number in (2, 1, 2, 3)]

    assert ["toolu_2", "toolu_1", "toolu_3"] == [one.id for one in tool_uses({"toolCallList": asked})]


@pytest.mark.parametrize(
    "content", [{}, {"toolCallList": None}, {"toolCallList": [1, None, {}]}, {"toolCalls": "x"}]
)
def test_nothing_asked(content: dict[str, Any]) -> None:
    assert [] == tool_uses(content)


def test_quotes() -> None:
    arguments = {
        "serviceType": "Débouchage",
        "location": "Rive-Sud",
        "urgency": "true",
        "complexity": "complex",
    }

    result = run(use("calculateQuote", arguments), PACK, now=NOW)

    assert result.succeeded
    assert "\n" not in result.text
    answer = json.loads(result.text)
    assert ["min", "max", "currency", "message"] == list(answer)
    assert (683, 1025, "CAD") == (answer["min"], answer["max"], answer["currency"])


def test_judgements() -> None:
    result = run(
        use("classifyPriority", {"description": "Un débordement!", "estimatedValue": "200"}), PACK, now=NOW
    )

    assert '{"priority":"P1","reason":"urgence_immediate","slaSeconds":0}' == result.text


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("calculateQuote", {}),
        ("calculateQuote", {"serviceType": 5}),
        ("calculateQuote", {"serviceType": "x", "complexity": "enormous"}),
        ("calculateQuote", {"serviceType": "x", "urgency": "perhaps"}),
        ("calculateQuote", {"serviceType": "x", "urgency": 7}),
        ("calculateQuote", None),
        ("classifyPriority", {"description": ""}),
        ("classifyPriority", {"description": "x", "estimatedValue": -1}),
        ("classifyPriority", {"description": "x", "estimatedValue": "much"}),
        ("validateServiceRequest", {}),
        ("validateServiceRequest", {"service": ["piscines"]}),
        ("validateServiceRequest", {"service": "piscines", "language": "de"}),
        ("evaluateScheduling", {"serviceType": 5}),
        ("evaluateScheduling", {"priority": "P9"}),
        ("evaluateScheduling", {"urgency": "soon"}),
    ],
)
def test_bad_requests_are_answered_with_words(name: str, arguments: Any) -> None:
    result = run(use(name, arguments), PACK, now=NOW)

    assert not result.succeeded
    assert result.text
    assert "\n" not in result.text


def test_without_a_price_the_tool_says_so() -> None:
    assert not run(use("calculateQuote", {"serviceType": "x"}), RuleBook(), now=NOW).succeeded


def test_the_predecessor_of_tool_calls() -> None:
    found = legacy_use({"functionCall": {"name": "f", "parameters": {"a": 1}}}, use_id="x")

    assert ToolUse(id="x", name="f", arguments={"a": 1}) == found
