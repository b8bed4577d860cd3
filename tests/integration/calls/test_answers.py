"""What the provider is answered when it waits, over the service's sockets."""

import asyncio
import json
from typing import Any

import pytest

from callplane.calls.v2 import calls_pb2
from tests.integration.calls.harness import ORG, Service, find_call, serving
from tests.support.postgres import Database
from tests.support.vapi_messages import (
    NASTY,
    message,
    tool_calls,
    tool_use,
)

QUOTE = tool_use(
    "call_1", "calculateQuote", {"serviceType": "debouchage", "location": "rive_sud", "urgency": True}
)


async def test_tools_are_answered_and_run_once(told: Service, database: Database) -> None:
    """IN-7: one row per tool call id, whatever comes again; a failure is an answer too."""
    body = tool_calls(
        "c-9", QUOTE, tool_use("toolu_2", "launchMissiles", {}), tool_use("call_3", "classifyPriority", "{")
    )

    first = json.loads(await told.answer(body))
    again = json.loads(await told.answer(tool_calls("c-9", QUOTE, at=77)))

    assert ["calculateQuote", "launchMissiles", "classifyPriority"] == [
        one["name"] for one in first["results"]
    ]
    assert ["call_1", "toolu_2", "call_3"] == [one["toolCallId"] for one in first["results"]]
    quote = json.loads(first["results"][0]["result"])
    assert (525, 788) == (quote["min"], quote["max"])
    assert "error" in first["results"][1]
    assert "error" in first["results"][2]
    assert first["results"][:1] == again["results"]
    rows = await database.fetch(
        "SELECT status FROM calls.tool_calls WHERE provider_call_id = 'c-9' ORDER BY tool_call_id"
    )
    assert ["SUCCEEDED", "FAILED", "FAILED"] == [row["status"] for row in rows]


async def test_a_repeat_gets_the_stored_answer_even_if_the_rules_changed(
    told: Service, database: Database
) -> None:
    first = await told.answer(tool_calls("c-9", QUOTE))
    await database.execute("UPDATE calls.pricing_rules SET price_min = 1, price_max = 9999")
    await asyncio.sleep(3.1)

    assert first == await told.answer(tool_calls("c-9", QUOTE))
    assert first != await told.answer(tool_calls("c-10", QUOTE))


async def test_repeats_at_the_same_moment_agree(told: Service, database: Database) -> None:
    """IN-7: executed once, by whoever was first."""
    answers = await asyncio.gather(*(told.answer(tool_calls("c-9", QUOTE, at=at)) for at in range(10)))

    assert 1 == len(set(answers))
    rows = await database.fetch("SELECT id FROM calls.tool_calls WHERE provider_call_id = 'c-9'")
    assert 1 == len(rows)


async def test_a_tool_request_without_a_call_is_answered(told: Service) -> None:
    body = json.dumps({"message": {"type": "tool-calls", "toolCallList": [QUOTE]}}).encode()

    assert "result" in json.loads(await told.answer(body))["results"][0]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (
            "transfer-destination-request",
            {"error": "There is nobody to transfer this call to at the moment."},
        ),
        (
            "handoff-destination-request",
            {"error": "There is nobody to hand this call over to at the moment."},
        ),
        ("knowledge-base-request", {"documents": []}),
        ("call.endpointing.request", {"timeoutSeconds": 0.5}),
        ("campaign.predial", {"eligible": True}),
        ("voice-request", None),
        ("status-update", None),
    ],
)
async def test_other_requests_get_a_neutral_answer(service: Service, kind: str, answer: Any) -> None:
    body = await service.answer(message(kind, "c-1", at=1))

    assert answer == (json.loads(body) if body else None)


async def test_requests_for_an_assistant_are_answered_from_the_configuration(
    database: Database, service: Service
) -> None:
    request = message("assistant-request", "c-1", at=0)
    assert "error" in json.loads(await service.answer(request))
    async with serving(database, default_assistant_id="asst-7") as configured:
        assert {"assistantId": "asst-7"} == json.loads(await configured.answer(request))


@pytest.mark.parametrize("body", list(NASTY.values()), ids=list(NASTY))
async def test_nasty_requests_are_answered_and_kept(
    service: Service, database: Database, body: bytes
) -> None:
    await service.answer(body)

    assert 1 == len(await database.fetch("SELECT id FROM calls.provider_events"))


async def test_answered_webhooks_become_part_of_the_record(service: Service) -> None:
    await service.answer(message("assistant-request", "c-1", at=0))

    call = await find_call(service, "c-1")
    assert (calls_pb2.Call.RINGING, ORG) == (call.status, ORG)
