"""The inbound story, from the provider's webhook to the person on call and the customer's endpoint."""

import json
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.support.stack import Stack
from tests.support.waiting import eventually

FAST = {"speed": 10.0, "reportDelaySeconds": 0.3, "callSeconds": [0.2, 0.6]}


async def rang(stack: Stack, script: str, customer: str) -> dict[str, Any]:
    """Plays a scripted call and waits until its report is in the record."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    started = await stack.sandbox.post("/sandbox/inboundCalls", {"script": script, "customer": customer})

    async def reported() -> dict[str, Any] | None:
        calls = await stack.api.every("/v2/calls", "calls", customerNumber=customer)
        return next((c for c in calls if c["providerCallId"] == started["id"] and "costUsd" in c), None)

    return await eventually(reported, within_seconds=30)


async def lead_of(stack: Stack, call: dict[str, Any]) -> dict[str, Any]:
    leads = await stack.api.every("/v2/leads", "leads")
    return next(lead for lead in leads if call["id"] in (lead["callId"], lead["lastCallId"]))


async def test_an_emergency_becomes_a_call_a_lead_a_text_message_and_a_signed_webhook(stack: Stack) -> None:
    receiver = f"{stack.sandbox_url}/sandbox/receivers/inbound"
    webhook = await stack.api.post(
        "/v2/webhooks", {"url": receiver, "events": ["call.ended", "lead.created"]}
    )

    call = await rang(stack, "p1_flood_fr", "+15142260011")

    assert ("ENDED", "INBOUND", "P1", 0) == tuple(
        call[f] for f in ("status", "direction", "priority", "slaSeconds")
    )
    assert "urgence_immediate" == call["priorityReason"]
    lead = await lead_of(stack, call)
    assert ("P1", "NEW", call["customerNumber"]) == (lead["priority"], lead["status"], lead["customerNumber"])

    async def texted() -> dict[str, Any] | None:
        for alert in await stack.api.every("/v2/alerts", "alerts"):
            if alert["leadId"] == lead["id"] and alert["messageIds"]:
                message: dict[str, Any] = await stack.api.get(f"/v2/messages/{alert['messageIds'][0]}")
                return message if message["status"] in ("SENT", "DELIVERED") else None
        return None

    message = await eventually(texted)
    at_twilio = (await stack.sandbox.get("/sandbox/messages"))["messages"]
    assert [message["to"]] == [
        each["to"] for each in at_twilio if each["sid"] == message["providerMessageId"]
    ]

    async def received() -> list[dict[str, Any]] | None:
        requests = (await stack.sandbox.get("/sandbox/receivers/inbound"))["requests"]
        about_it = [r for r in requests if call["id"] in r["body"]]
        return (
            about_it if {"call.ended", "lead.created"} <= {r["body_json"]["type"] for r in about_it} else None
        )

    for request in await eventually(received):
        Webhook(webhook["secret"]).verify(request["body"], request["headers"])


async def test_a_municipality_is_p2_and_a_standard_request_alerts_nobody(stack: Stack) -> None:
    municipal = await rang(stack, "p2_municipal_fr", "+15142260022")
    standard = await rang(stack, "p4_standard_fr", "+15142260033")

    assert ("P2", 120) == (municipal["priority"], municipal["slaSeconds"])
    assert ("P4", 1800) == (standard["priority"], standard["slaSeconds"])
    quiet = await lead_of(stack, standard)
    assert quiet["id"] not in [alert["leadId"] for alert in await stack.api.every("/v2/alerts", "alerts")]


async def test_a_price_is_told_while_the_customer_waits(stack: Stack) -> None:
    call = await rang(stack, "quote_tool", "+15142260044")

    tool_calls = (await stack.api.get(f"/v2/calls/{call['id']}/toolCalls"))["toolCalls"]
    assert ["calculateQuote"] == [tool["name"] for tool in tool_calls]
    assert "SUCCEEDED" == tool_calls[0]["status"]
    assert '"currency":"CAD"' in tool_calls[0]["result"].replace(" ", "")


async def test_webhooks_that_come_twice_and_in_any_order_make_one_record(stack: Stack) -> None:
    faults = {"webhooks": {"duplicate": 1.0, "shuffle": True, "delayMs": [0, 200]}}
    await stack.sandbox.post("/sandbox/faults", faults)
    try:
        call = await rang(stack, "p3_lining_en", "+15142260055")
    finally:
        await stack.sandbox.client.delete("/sandbox/faults")

    assert ("ENDED", "P3") == (call["status"], call["priority"])
    calls = await stack.api.every("/v2/calls", "calls", customerNumber="+15142260055")
    assert 1 == len(calls)


async def test_one_trace_runs_from_the_webhook_to_the_text_message(stack: Stack) -> None:
    call = await rang(stack, "p1_backup_en", "+15142260066")

    async def traced() -> list[str]:
        spans = [json.loads(line) for line in (stack.data_dir / "traces.jsonl").read_text().splitlines()]
        about_it = {s["traceId"] for s in spans if s["attributes"].get("callplane.call_id") == call["id"]}
        texting = {s["traceId"] for s in spans if s["name"] == "send message"}
        return [f"{s['service']} {s['name']}" for s in spans if s["traceId"] in about_it & texting]

    names = await eventually(traced)

    expected = {
        "envoy ingress",
        "gateway POST /hooks/vapi/{source}",
        "calls fold call",
        "notify process callplane.lead.created.v1",
        "notify send message",
    }
    assert expected <= set(names)
