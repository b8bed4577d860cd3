"""The assistant's tools through the front door, to the phone of the person on call."""

import json
from typing import Any

from tests.e2e.test_inbound import rang
from tests.support.stack import Stack
from tests.support.vapi_messages import tool_calls, tool_use
from tests.support.waiting import eventually


async def used(stack: Stack, call: str, customer: str, *uses: dict[str, Any]) -> list[Any]:
    """The results of tools in a call of this customer."""
    body = json.loads(tool_calls(call, *uses))
    body["message"]["customer"] = body["message"]["call"]["customer"] = {"number": customer}
    headers = {"x-vapi-secret": stack.vapi_secret}
    answer = await stack.http.post(stack.vapi_path, json=body, headers=headers)
    assert 200 == answer.status_code
    return [json.loads(one["result"]) for one in answer.json()["results"]]


async def test_tools_open_a_lead_alert_the_person_on_call_and_record_an_opt_out(stack: Stack) -> None:
    """RU-5: one webhook, three tools, and what follows from them in the other services."""
    customer = "+15142260201"
    lead, alert, opt_out = await used(
        stack,
        "e2e-tools-1",
        customer,
        tool_use("call_1", "createLead", {"serviceType": "debouchage", "description": "Un drain lent"}),
        tool_use("call_2", "sendSMSAlert", {"message": "Cliente très âgée", "to": "+19005550100"}),
        tool_use("call_3", "recordOptOut", {"channel": "SMS", "phone": "+19005550100"}),
    )

    assert ("P4", "P1", True) == (lead["priority"], alert["priority"], opt_out["recorded"])

    async def texted() -> dict[str, Any] | None:
        for one in await stack.api.every("/v2/alerts", "alerts"):
            if one["leadId"] == lead["leadId"] and one["messageIds"]:
                message: dict[str, Any] = await stack.api.get(f"/v2/messages/{one['messageIds'][0]}")
                return message if message["status"] in ("SENT", "DELIVERED") else None
        return None

    message = await eventually(texted, within_seconds=20)
    sent = (await stack.sandbox.get("/sandbox/messages"))["messages"]
    [text] = [one for one in sent if one["sid"] == message["providerMessageId"]]
    assert "Cliente" in text["body"]

    async def suppressed() -> list[dict[str, Any]]:
        found = await stack.api.every("/v2/suppressions", "suppressions")
        return [one for one in found if one["phoneNumber"] in (customer, "+19005550100")]

    assert [(customer, "SMS", "call")] == [
        (one["phoneNumber"], one["channel"], one["source"]) for one in await eventually(suppressed)
    ]


async def test_a_refused_service_is_refused_in_words_and_opens_no_lead(stack: Stack) -> None:
    """RU-3: the caller hears the organization's own sentence."""
    call = await rang(stack, "refused_service", "+15142260202")

    [tool] = (await stack.api.get(f"/v2/calls/{call['id']}/toolCalls"))["toolCalls"]
    result = json.loads(tool["result"])
    assert (False, "refused") == (result["accepted"], result["reason"])
    transcript = await stack.api.get(f"/v2/calls/{call['id']}/transcript")
    assert result["message"] in [line["message"] for line in transcript["lines"]]
    leads = await stack.api.every("/v2/leads", "leads")
    assert [] == [lead for lead in leads if lead["callId"] == call["id"]]


async def test_a_rule_changed_over_the_api_applies_within_5_seconds(stack: Stack) -> None:
    """RU-1: to the tools of calls that are on."""
    rule = {"name": "e2e", "position": 1, "active": True, "keywords": ["zébulon"], "priority": "P1"}
    made = await stack.api.post("/v2/priorityRules", rule | {"reason": "e2e"})
    number = 0

    async def judged() -> bool:
        nonlocal number
        number += 1
        use = tool_use(f"call_{number}", "classifyPriority", {"description": "un ZEBULON"})
        [result] = await used(stack, "e2e-tools-2", "+15142260203", use)
        return bool(result["reason"] == "e2e")

    try:
        await eventually(judged, within_seconds=5)
        changes = await stack.api.every("/v2/ruleChanges", "ruleChanges", ruleId=made["id"])
        assert [("PRIORITY_RULE", "CREATED", "e2e")] == [
            (one["kind"], one["action"], one["ruleName"]) for one in changes
        ]
        assert changes[0]["changedBy"].startswith("key:")
    finally:
        await stack.http.delete(f"/v2/priorityRules/{made['id']}")
