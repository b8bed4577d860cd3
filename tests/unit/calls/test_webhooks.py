"""What the ledger reads of a webhook, and which ones are the same."""

import json
from typing import Any

import pytest

from services.calls.domain.webhooks import head_of
from tests.support.vapi_messages import (
    NASTY,
    conversation_update,
    report,
    status_update,
    tool_calls,
    tool_use,
    transcript,
)


def same(first: bytes, second: bytes) -> bool:
    return head_of(first).dedupe_key == head_of(second).dedupe_key


def changed(body: bytes, **fields: Any) -> bytes:
    document = json.loads(body)
    document["message"] |= fields
    return json.dumps(document).encode()


def test_type_and_call() -> None:
    head = head_of(transcript("c-1", "user", "Bonjour", at=3))

    assert ("transcript", "c-1") == (head.type, head.provider_call_id)


def test_the_call_may_stand_beside_the_message() -> None:
    head = head_of(
        b'{"message": {"type": "tool-calls", "toolCallList": [{"id": "call_1"}]}, "call": {"id": "c-1"}}'
    )

    assert ("tool-calls", "c-1") == (head.type, head.provider_call_id)


def test_a_tool_request_without_a_type_is_one() -> None:
    assert "tool-calls" == head_of(b'{"message": {"role": "tool_calls", "toolCalls": []}}').type


def test_a_delivery_repeated_with_fresh_addresses_is_the_same() -> None:
    first = report("c-1", recordingUrl="https://storage.example/r.wav?signature=1")
    second = report("c-1", recordingUrl="https://storage.example/r.wav?signature=2")

    assert same(first, second)


def test_a_status_is_the_same_whenever_it_is_told() -> None:
    assert same(status_update("c-1", "in-progress", at=5), status_update("c-1", "in-progress", at=6))


def test_a_tool_request_is_its_uses() -> None:
    use, other = tool_use("call_1", "f", {}), tool_use("call_2", "f", {})

    assert same(tool_calls("c-1", use, at=1), tool_calls("c-1", use, at=2))
    assert not same(tool_calls("c-1", use), tool_calls("c-1", other))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (status_update("c-1", "ringing", at=5), status_update("c-1", "in-progress", at=5)),
        (status_update("c-1", "ended", at=5), status_update("c-1", "ended", at=5, ended_reason="voicemail")),
        (status_update("c-1", "ringing", at=5), status_update("c-2", "ringing", at=5)),
        (conversation_update("c-1", [], at=5), conversation_update("c-1", [], at=6)),
        (transcript("c-1", "user", "a", at=5), transcript("c-1", "assistant", "a", at=5)),
        (transcript("c-1", "user", "a", at=5, kind="partial"), transcript("c-1", "user", "a", at=5)),
        (report("c-1", at=60), status_update("c-1", "ended", at=60)),
    ],
)
def test_different_events(first: bytes, second: bytes) -> None:
    assert not same(first, second)


def test_without_a_timestamp_the_content_counts() -> None:
    first = b'{"message": {"type": "hang", "call": {"id": "c-1"}, "a": 1}}'
    spaced = b'{ "message": {"call": {"id": "c-1"}, "a": 1, "type": "hang"} }'
    other = b'{"message": {"type": "hang", "call": {"id": "c-1"}, "a": 2}}'

    assert same(first, spaced)
    assert not same(first, other)


@pytest.mark.parametrize("body", list(NASTY.values()), ids=list(NASTY))
def test_no_body_raises(body: bytes) -> None:
    head = head_of(body)

    assert 16 == len(head.dedupe_key)
    assert "\x00" not in head.type + head.provider_call_id
    assert len(head.type) <= 100
