"""What a scripted call sends to the product, and how it is signed and delivered."""

import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import pytest

from tests.contract.sandbox.driver import SECRET, Door, Product

QUOTE = {"min": 525, "max": 788, "currency": "CAD", "message": "ok"}


def tool_answer(message: dict[str, Any]) -> Any:
    if message["type"] != "tool-calls":
        return {}
    calls = message["toolCallList"]
    return {"results": [{"toolCallId": c["id"], "name": "n", "result": json.dumps(QUOTE)} for c in calls]}


async def test_a_call_sends_its_messages_in_order_with_the_call_as_created(
    sandbox: Door, product: Product
) -> None:
    call = await sandbox.played("p1_flood_fr", customer="+15142260011")

    sent = product.of(call["id"])
    assert len(sent) == len(product.received)
    statuses = [m["status"] for m in sent if m["type"] == "status-update"]
    assert ["ringing", "in-progress", "ended"] == statuses
    assert "end-of-call-report" == sent[-1]["type"]
    expected = {"status-update", "speech-update", "conversation-update", "transcript", "user-interrupted"}
    assert expected <= {m["type"] for m in sent}
    assert {"ringing"} == {m["call"]["status"] for m in sent}
    assert {True} == {m["call"]["createdAt"] == m["call"]["updatedAt"] for m in sent}
    assert {False} == {"endedReason" in m["call"] for m in sent}
    growing = [len(m["messages"]) for m in sent if m["type"] == "conversation-update"]
    assert sorted(growing) == growing
    assert {"partial", "final"} == {m["transcriptType"] for m in sent if m["type"] == "transcript"}


async def test_the_report_holds_what_became_of_the_call(sandbox: Door, product: Product) -> None:
    call = await sandbox.played("p1_flood_fr")

    report = product.of(call["id"])[-1]
    assert "customer-ended-call" == report["endedReason"]
    assert "Marie Tremblay" == report["analysis"]["structuredData"]["nom"]
    assert {"nom", "courriel", "adresse", "codePostal", "description"} == set(
        report["analysis"]["structuredData"]
    )
    assert "true" == report["analysis"]["successEvaluation"]
    assert "User: C'est une urgence" in report["artifact"]["transcript"]
    assert report["cost"] == report["costBreakdown"]["total"] > 0
    assert report["durationSeconds"] == pytest.approx(report["durationMs"] / 1000, abs=0.001)
    recording = await sandbox.http.get(report["recordingUrl"])
    assert (200, b"RIFF") == (recording.status_code, recording.content[:4])


async def test_the_report_follows_ended_after_the_report_delay(sandbox: Door, product: Product) -> None:
    await sandbox.post("settings", {"reportDelaySeconds": 0.3})

    call = await sandbox.played("abandoned")

    ended, report = product.of(call["id"])[-2:]
    assert ("ended", "end-of-call-report") == (ended["status"], report["type"])
    assert 250 <= report["timestamp"] - ended["timestamp"] < 3000


async def test_a_tool_call_waits_for_the_answer_and_uses_it(sandbox: Door, product: Product) -> None:
    product.answer = tool_answer

    call = await sandbox.played("quote_tool")

    sent = product.of(call["id"])
    asked = next(m for m in sent if m["type"] == "tool-calls")
    assert "calculateQuote" == asked["toolCallList"][0]["function"]["name"]
    assert (
        asked["toolCallList"] == [t["toolCall"] for t in asked["toolWithToolCallList"]] == asked["toolCalls"]
    )
    assert "entre 525 et 788 dollars" in sent[-1]["transcript"]
    results = [m for m in sent[-1]["messages"] if m["role"] == "tool_call_result"]
    assert [QUOTE] == [json.loads(m["result"]) for m in results]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"results": []},
        {"results": [{"toolCallId": "other", "result": "x"}]},
        {"results": [{"toolCallId": "ID", "result": {"an": "object"}}]},
        {"results": [{"toolCallId": "ID", "result": "two\nlines"}]},
    ],
)
async def test_an_answer_vapi_cannot_read_is_no_result(sandbox: Door, product: Product, answer: Any) -> None:
    def answered(message: dict[str, Any]) -> Any:
        ids = [c["id"] for c in message.get("toolCallList", [])]
        return json.loads(json.dumps(answer).replace("ID", ids[0])) if ids else {}

    product.answer = answered

    call = await sandbox.played("quote_tool")

    results = [m for m in product.of(call["id"])[-1]["messages"] if m["role"] == "tool_call_result"]
    assert ["No result returned."] == [m["result"] for m in results]


async def test_arguments_come_as_an_object_or_as_text_and_two_calls_at_once(
    sandbox: Door, product: Product
) -> None:
    product.answer = tool_answer
    calls = [await sandbox.played(script) for script in ("quote_tool", "classify_tool", "two_tools")]

    asked = [next(m for m in product.of(c["id"]) if m["type"] == "tool-calls") for c in calls]
    arguments = [m["toolCallList"][0]["function"]["arguments"] for m in asked]
    assert [dict, str, dict] == [type(each) for each in arguments]
    assert [1, 1, 2] == [len(m["toolCallList"]) for m in asked]


async def test_an_assistant_request_decides_who_takes_the_call(sandbox: Door, product: Product) -> None:
    product.answer = lambda m: (
        {"assistantId": sandbox.assistant_id} if m["type"] == "assistant-request" else {}
    )
    taken = await sandbox.played("assistant_request")
    product.answer = lambda _: {"error": "closed"}
    refused = await sandbox.played("p4_standard_en", assistantRequest=True)

    assert "customer-ended-call" == taken["endedReason"]
    asked = product.of(taken["id"])[0]
    assert ("assistant-request", None) == (asked["type"], asked["call"]["assistantId"])
    assert "assistant-request-returned-error" == refused["endedReason"]


@pytest.mark.parametrize(
    ("script", "types"),
    [
        ("never_ended", []),
        ("lost_report", []),
        ("report_only", ["end-of-call-report"]),
        ("no_answer", ["ended", "end-of-call-report"]),
        ("voicemail", ["ended", "end-of-call-report"]),
    ],
)
async def test_unusual_calls_end_as_their_scripts_say(
    sandbox: Door, product: Product, script: str, types: list[str]
) -> None:
    await sandbox.post("settings", {"speed": 1000.0})

    call = await sandbox.played(script)

    last = [m for m in product.of(call["id"]) if m.get("status") == "ended" or "endedReason" in m]
    assert types == [m.get("status", m["type"]) for m in last]
    shown = (await sandbox.vapi("GET", f"/call/{call['id']}")).json()
    assert ("ended", call["endedReason"]) == (shown["status"], shown["endedReason"])


async def test_an_assistant_gets_the_messages_it_asked_for_at_its_own_server(
    sandbox: Door, product: Product
) -> None:
    body = {
        "server": {"url": f"{product.url}/own", "headers": {"X-Own": "1"}},
        "serverMessages": ["end-of-call-report", 'transcript[transcriptType="final"]'],
    }
    made = (await sandbox.vapi("POST", "/assistant", body)).json()

    await sandbox.played("p4_standard_fr", assistantId=made["id"])

    assert {"/own"} == {r.path for r in product.received}
    assert {"1"} == {r.headers["x-own"] for r in product.received}
    types = Counter(r.message["type"] for r in product.received)
    assert {"end-of-call-report": 1, 'transcript[transcriptType="final"]': 7} == dict(types)


async def test_each_kind_of_signature(sandbox: Door, product: Product) -> None:
    for kind in ("HMAC_BODY", "HMAC_TIMESTAMP", "SHARED_SECRET"):
        product.received.clear()
        await sandbox.post("settings", {"signature": kind})
        await sandbox.played("no_answer")
        for got in product.received:
            assert signed_rightly(kind, got.headers, got.raw)


def signed_rightly(kind: str, headers: dict[str, str], raw: bytes) -> bool:
    if kind == "SHARED_SECRET":
        return headers["x-vapi-secret"] == SECRET
    stamp = headers.get("x-timestamp", "")
    signed = raw if kind == "HMAC_BODY" else stamp.encode() + b"." + raw
    given = headers["x-vapi-signature" if kind == "HMAC_BODY" else "x-signature"]
    return given == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


async def test_one_attempt_unless_the_server_has_a_backoff_plan(sandbox: Door, product: Product) -> None:
    plan = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 1}
    server = {"url": f"{product.url}/retried", "backoffPlan": plan}
    body = {"server": server, "serverMessages": ["end-of-call-report"]}
    made = (await sandbox.vapi("POST", "/assistant", body)).json()

    product.statuses = [500]
    await sandbox.played("no_answer")
    once = len(product.received)
    product.received.clear()
    product.statuses = [500, 503]
    call = await sandbox.played("no_answer", assistantId=made["id"])

    assert (3, 3) == (once, len(product.received))
    deliveries = (await sandbox.get(f"deliveries?callId={call['id']}"))["deliveries"]
    assert [("delivered", 3)] == [(d["outcome"], d["attempts"]) for d in deliveries]
