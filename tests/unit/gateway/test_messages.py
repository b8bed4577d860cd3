"""What a webhook is about, read from whatever a body may hold."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain import fallbacks, messages

SAMPLES = (Path(__file__).parents[3] / "../shared/providers/vapi/samples").resolve()
TYPED = (
    "docs-server-events",
    "docs-campaigns",
    "docs-vapi-skills",
    "vapi4k-2024",
    "keey-2025",
    "whispey-tests",
)


def body(message: object) -> bytes:
    return json.dumps({"message": message}).encode()


@pytest.mark.parametrize(
    ("message_type", "answered"),
    [
        ("assistant-request", True),
        ("tool-calls", True),
        ("transfer-destination-request", True),
        ("handoff-destination-request", True),
        ("knowledge-base-request", True),
        ("campaign.predial", True),
        ("status-update", False),
        ("end-of-call-report", False),
        ('transcript[transcriptType="final"]', False),
        ("something-new", False),
    ],
)
def test_types_that_the_provider_waits_for(message_type: str, answered: bool) -> None:
    found = messages.type_of(body({"type": message_type}))

    assert message_type.partition("[")[0] == found
    assert answered == messages.expects_answer(found)


def test_a_tool_request_without_a_type_is_one() -> None:
    assert "tool-calls" == messages.type_of(body({"role": "tool_calls", "toolCalls": [{"id": "call_1"}]}))


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"message":null}',
        b'{"message":[]}',
        b'{"message":{"type":7}}',
        b'{"message":{"type":null}}',
        b'{"message":{"type":"hang","x":NaN}}',
        b'{"message":{"type":"hang"}} trailing',
        b'\xef\xbb\xbf{"message":{"type":"hang"}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"message":{"x":' + b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_has_no_type(broken: bytes) -> None:
    assert "" == messages.type_of(broken)
    assert [] == messages.tool_calls_of(broken)


@given(st.binary(max_size=200))
def test_no_body_raises(anything: bytes) -> None:
    assert isinstance(messages.type_of(anything), str)
    assert isinstance(messages.tool_calls_of(anything), list)


@pytest.mark.parametrize("folder", TYPED)
def test_every_sample_has_a_type(folder: str) -> None:
    files = sorted((SAMPLES / folder).glob("*.json"))
    if not files:
        pytest.skip("the provider's samples are not here")

    assert [] == [file.name for file in files if not messages.type_of(file.read_bytes())]


def test_the_fallback_for_tools_names_each_call() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "calculateQuote", "arguments": "{}"}},
        {"id": "toolu_2", "name": "classifyPriority", "parameters": {}},
        {"name": "no id"},
        "nonsense",
    ]

    answer = json.loads(fallbacks.answer("tool-calls", body({"type": "tool-calls", "toolCallList": calls})))

    assert [("call_1", "calculateQuote"), ("toolu_2", "classifyPriority")] == [
        (result["toolCallId"], result["name"]) for result in answer["results"]
    ]
    assert all(result["error"] and "\n" not in result["error"] for result in answer["results"])


def test_every_answered_type_has_a_fallback_that_is_json_or_nothing() -> None:
    for message_type in messages.ANSWERED_TYPES:
        answer = fallbacks.answer(message_type, b"not json")
        assert not answer or isinstance(json.loads(answer), dict)
    assert {"eligible": False} == json.loads(fallbacks.answer("campaign.predial", b""))
    assert json.loads(fallbacks.answer("assistant-request", b""))["error"]
