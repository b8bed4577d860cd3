"""Failures ordered over the control API strike as ordered, and only as often."""

from typing import Any

import httpx
import pytest

from tests.contract.sandbox.driver import Door, Product
from tests.support.waiting import eventually


@pytest.mark.parametrize("call_made", [True, False])
@pytest.mark.parametrize("mode", ["reset", "http", "timeout"])
async def test_a_create_fails_with_or_without_the_call_being_made(
    sandbox: Door, mode: str, call_made: bool
) -> None:
    fault = {"mode": mode, "status": 503, "callMade": call_made, "count": 1, "holdSeconds": 0.05}
    await sandbox.post("faults", {"vapi.createCall": fault})

    if mode == "reset":
        with pytest.raises(httpx.NetworkError):
            await sandbox.vapi("POST", "/call", sandbox.dial())
    else:
        answer = await sandbox.vapi("POST", "/call", sandbox.dial())
        assert {"http": 503, "timeout": 504}[mode] == answer.status_code
    assert int(call_made) == len((await sandbox.get("calls"))["calls"])
    assert [mode] == [r["fault"] for r in (await sandbox.get("requests"))["requests"]]
    assert 201 == (await sandbox.vapi("POST", "/call", sandbox.dial())).status_code


async def test_a_timeout_ends_when_the_client_gives_up(sandbox: Door) -> None:
    await sandbox.post("faults", {"vapi.createCall": {"mode": "timeout", "callMade": True, "count": 1}})

    with pytest.raises(httpx.ReadTimeout):
        await sandbox.vapi("POST", "/call", sandbox.dial(), timeout=0.1)

    assert 1 == len((await sandbox.get("calls"))["calls"])


async def test_a_message_is_sent_although_its_sender_sees_a_failure(sandbox: Door) -> None:
    await sandbox.post(
        "faults", {"twilio.createMessage": {"mode": "http", "status": 500, "messageMade": True, "count": 1}}
    )

    failed = await sandbox.text(To="+15142885071", From="+15148447210", Body="x")

    assert (500, 20500) == (failed.status_code, failed.json()["code"])
    assert 1 == len((await sandbox.get("messages"))["messages"])


async def test_every_webhook_can_come_twice(sandbox: Door, product: Product) -> None:
    call = await sandbox.played("p4_standard_fr", faults={"duplicate": 1.0})

    sent = [r.raw for r in product.received]
    assert len(sent) == 2 * len(set(sent))
    counts = (await sandbox.get("deliveries"))["counts"]
    assert counts["emitted"] == counts["duplicated"]
    assert {1: 2} == {1: sum(m["type"] == "end-of-call-report" for m in product.of(call["id"]))}


async def test_dropped_webhooks_are_counted_and_questions_are_never_dropped(
    sandbox: Door, product: Product
) -> None:
    await sandbox.post("faults", {"webhooks": {"drop": 1.0}})

    await sandbox.played("quote_tool")

    assert ["tool-calls"] == [r.message["type"] for r in product.received]
    faults = await sandbox.get("faults")
    dropped = {t: n for t, n in faults["webhookCounts"]["emitted"].items() if t != "tool-calls"}
    assert dropped == faults["webhookCounts"]["dropped"]


async def test_webhooks_come_in_any_order(sandbox: Door, product: Product) -> None:
    await sandbox.post("faults", {"webhooks": {"shuffle": True, "delayMs": [0, 100]}})

    await sandbox.played("p3_lining_en")

    moments = [r.message["timestamp"] for r in product.received]
    assert sorted(moments) != moments


async def test_faults_can_be_seen_and_cleared_and_unknown_ones_are_refused(sandbox: Door) -> None:
    await sandbox.post("faults", {"vapi.createCall": {"mode": "reset"}})
    assert {"vapi.createCall"} == set((await sandbox.get("faults"))["faults"])

    refused: list[Any] = [
        {"vapi.nothing": {"mode": "reset"}},
        {"webhooks": {"drop": 2}},
        [],
        {"vapi.createCall": {}},
    ]
    for wrong in refused:
        assert 400 == (await sandbox.http.post("/sandbox/faults", json=wrong)).status_code
    await sandbox.http.delete("/sandbox/faults")

    assert {} == (await sandbox.get("faults"))["faults"]
    assert 201 == (await sandbox.vapi("POST", "/call", sandbox.dial())).status_code


async def test_a_dropped_status_callback_leaves_the_message_delivered(
    sandbox: Door, product: Product
) -> None:
    await sandbox.post("faults", {"webhooks": {"drop": 1.0}})
    await sandbox.text(
        To="+15142885071", From="+15148447210", Body="x", StatusCallback=f"{product.url}/sms-status"
    )

    async def delivered() -> bool:
        return [m["status"] for m in (await sandbox.get("messages"))["messages"]] == ["delivered"]

    await eventually(delivered)
    assert [] == product.received
