"""The webhooks have the keys and types of the payloads captured from real calls."""

import json
from typing import Any

import pytest

from deploy.sandbox.conversation import tool_result
from tests.contract.sandbox.driver import PROVIDERS, Door, Product

SAMPLES = PROVIDERS / "vapi/samples"
# Fields only some accounts or modes have: squads, and number billing of 2024.
OTHER_ACCOUNTS = {
    "squad",
    "squadId",
    "stripeSubscriptionId",
    "stripeSubscriptionStatus",
    "stripeSubscriptionCurrentPeriodStart",
    "twilioAccountSid",
    "twilioAuthToken",
    "twilioOutgoingCallerId",
    "credentialId",
    "serverUrl",
    "serverUrlSecret",
    "sipUri",
    "fallbackForwardingPhoneNumber",
    "fallbackDestination",
}


def sample(name: str) -> dict[str, Any]:
    if not (SAMPLES / name).is_file():
        pytest.skip("the captured payloads are not at hand")
    return dict(json.loads((SAMPLES / name).read_bytes())["message"])


def missing(shape: Any, made: Any, path: str = "") -> list[str]:
    """Where `made` lacks a key of `shape` or has another type; the first item of a list stands for all."""
    if shape is None or (path.endswith("timestamp") and isinstance(shape, str)):
        return []
    if isinstance(shape, dict):
        if not isinstance(made, dict):
            return [f"{path} is no object"]
        problems = []
        for key, value in shape.items():
            if key in OTHER_ACCOUNTS:
                continue
            if key not in made:
                problems.append(f"{path}.{key} is missing")
            else:
                problems += missing(value, made[key], f"{path}.{key}")
        return problems
    if isinstance(shape, list):
        if not isinstance(made, list):
            return [f"{path} is no list"]
        return missing(shape[0], made[0], f"{path}[0]") if shape and made else []
    alike = type(shape) is type(made) or (isinstance(shape, int | float) and isinstance(made, int | float))
    return [] if alike else [f"{path} is a {type(made).__name__}, not a {type(shape).__name__}"]


async def sent(sandbox: Door, product: Product, script: str, kind: str) -> dict[str, Any]:
    call = await sandbox.played(script)
    return next(m for m in product.of(call["id"]) if m["type"] == kind)


async def test_assistant_request(sandbox: Door, product: Product) -> None:
    made = await sent(sandbox, product, "assistant_request", "assistant-request")

    captured = sample("vapi4k-2024/assistant-request.inbound.json")
    captured["phoneNumber"] = {k: v for k, v in captured["phoneNumber"].items() if k not in OTHER_ACCOUNTS}
    assert [] == missing(captured, made)
    assert [] == missing(sample("docs-vapi-skills/assistant-request.json"), made)


@pytest.mark.parametrize(
    "name",
    [
        "tool-calls.squad.1.json",
        "tool-calls.squad.after-transfer.json",
        "tool-calls.no-arguments.no-result-returned.json",
    ],
)
async def test_tool_calls(sandbox: Door, product: Product, name: str) -> None:
    made = await sent(sandbox, product, "quote_tool", "tool-calls")

    captured = sample(f"vapi4k-2024/{name}")
    for each in (*captured["toolCalls"], *captured["toolCallList"]):
        each["function"]["arguments"] = {}
    for tool in captured["toolWithToolCallList"]:
        tool.pop("server")
        tool["toolCall"]["function"]["arguments"] = {}
        tool["messages"] = []
        tool["function"] = {"name": "n", "parameters": {"type": "object", "properties": {}}}
    captured["call"].pop("squad", None)
    captured["call"].pop("assistant", None)
    captured["artifact"] = {
        "messages": [{"role": "x", "message": "y", "time": 1}],
        "messagesOpenAIFormatted": [],
    }
    assert [] == missing(captured, made)


async def test_tool_calls_with_arguments_as_text(sandbox: Door, product: Product) -> None:
    made = await sent(sandbox, product, "classify_tool", "tool-calls")

    assert [] == missing(sample("keey-2025/tool-calls.string-arguments.call-outside-message.json"), made)


@pytest.mark.parametrize(
    "name",
    [
        "vapi4k-2024/end-of-call-report.squad.json",
        "whispey-tests/end-of-call-report.minimal-modern.json",
        "docs-vapi-skills/end-of-call-report.json",
        "docs-server-events/end-of-call-report.hangup.json",
    ],
)
async def test_end_of_call_report(sandbox: Door, product: Product, name: str) -> None:
    made = await sent(sandbox, product, "p1_flood_fr", "end-of-call-report")

    assert [] == missing(sample(name), made)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("status-update.ended", "status-update"),
        ("speech-update", "speech-update"),
        ("conversation-update", "conversation-update"),
        ("transcript.partial", "transcript"),
        ("user-interrupted", "user-interrupted"),
    ],
)
async def test_the_messages_of_the_documentation(
    sandbox: Door, product: Product, name: str, kind: str
) -> None:
    made = await sent(sandbox, product, "p1_flood_fr", kind)

    assert [] == missing(sample(f"docs-server-events/{name}.json"), made)


async def test_spoken_messages_are_those_of_a_captured_call(sandbox: Door, product: Product) -> None:
    report = await sent(sandbox, product, "quote_tool", "end-of-call-report")
    captured = sample("vapi4k-2024/end-of-call-report.squad.json")["messages"]

    for role in ("system", "user", "bot", "tool_calls", "tool_call_result"):
        theirs = next((m for m in captured if m["role"] == role), None)
        ours = next(m for m in report["messages"] if m["role"] == role)
        if theirs is not None and role != "tool_calls":
            assert [] == missing(theirs, ours), role


def test_results_in_any_other_form_are_none() -> None:
    assert "x" == tool_result({"results": [{"toolCallId": "1", "result": "x"}]}, "1")
    assert "why" == tool_result({"results": [{"toolCallId": "1", "error": "why"}]}, "1")
    unreadable: list[Any] = [
        None,
        [],
        {"results": None},
        {"results": ["x"]},
        {"results": [{"toolCallId": "1"}]},
    ]
    for bad in unreadable:
        assert tool_result(bad, "1") is None
