"""Calls over Vapi's API: made, refused, listed, changed and ended."""

from typing import Any

import pytest

from tests.contract.sandbox.driver import Door, Product

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_call_is_made_played_and_shown_with_what_its_creator_said(
    sandbox: Door, product: Product
) -> None:
    await sandbox.post("settings", {"outcomes": {"customer-ended-call": 1}})
    overrides = {"metadata": {"campaignId": "c-1", "attemptId": "a-1"}}
    body = sandbox.dial(name="attempt a-1", assistantOverrides=overrides, metadata={"own": 1})

    made = await sandbox.vapi("POST", "/call", body, headers={"traceparent": TRACEPARENT})
    assert 201 == made.status_code
    answer = made.json()
    seen = await sandbox.reported(answer["id"])

    assert ("queued", "outboundPhoneCall", "attempt a-1") == (
        answer["status"],
        answer["type"],
        answer["name"],
    )
    assert (overrides, {"own": 1}) == (answer["assistantOverrides"], answer["metadata"])
    assert {"concurrencyBlocked": False, "concurrencyLimit": 10, "remainingConcurrentCalls": 9} == answer[
        "subscriptionLimits"
    ]
    assert {"campaignId": "c-1", "attemptId": "a-1", "own": 1} == seen["metadata"]
    assert ("ended", "customer-ended-call", "OUTBOUND") == (
        seen["status"],
        seen["endedReason"],
        seen["direction"],
    )
    assert {TRACEPARENT} == {r.headers["traceparent"] for r in product.received}
    shown = (await sandbox.vapi("GET", f"/call/{answer['id']}")).json()
    assert ("ended", "true") == (shown["status"], shown["analysis"]["successEvaluation"])
    assert shown["cost"] > 0
    assert shown["endedAt"] > shown["startedAt"] > shown["createdAt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer": {"number": "5142885071"}}, "customer.number must be a valid phone number in the E.164"),
        ({"customer": {"name": "nobody"}}, "customer.number should not be empty"),
        ({"name": "x" * 41}, "name must be shorter than or equal to 40 characters"),
        ({"nonsense": 1}, "property nonsense should not exist"),
        ({"assistantId": "00000000-0000-0000-0000-000000000000"}, "Couldn't Get Assistant."),
        ({"phoneNumberId": "00000000-0000-0000-0000-000000000000"}, "Couldn't Get Phone Number."),
        ({"assistantId": None}, "assistantId: "),
        ({"squadId": "x"}, "The sandbox cannot play"),
    ],
)
async def test_a_wrong_call_is_refused_in_vapis_words(
    sandbox: Door, change: dict[str, Any], message: str
) -> None:
    answer = await sandbox.vapi("POST", "/call", sandbox.dial(**change))

    assert 400 == answer.status_code
    assert {"message", "error", "statusCode"} == set(answer.json())
    said = answer.json()["message"]
    assert message in (said[0] if isinstance(said, list) else said)
    assert [] == (await sandbox.get("calls"))["calls"]


async def test_a_broken_contract_is_on_record(sandbox: Door) -> None:
    await sandbox.vapi("POST", "/call", sandbox.dial(nonsense=1))
    await sandbox.vapi("GET", "/call?limit=5000")

    requests = (await sandbox.get("requests"))["requests"]
    assert [["property nonsense should not exist"]] == [r["contractViolation"] for r in requests[:1]]
    assert "limit" in requests[1]["contractViolation"][0]
    assert ("POST", "/vapi/call", 1) == (
        requests[0]["method"],
        requests[0]["path"],
        requests[0]["body"]["nonsense"],
    )
    assert "***" == requests[0]["headers"]["authorization"]
    assert requests[1:] == (await sandbox.get(f"requests?since={requests[0]['seq']}"))["requests"]
    assert [] == (await sandbox.get("requests?since=2200-01-01T00:00:00Z"))["requests"]


async def test_a_wrong_key_is_refused(sandbox: Door) -> None:
    answer = await sandbox.http.post(
        "/vapi/call", json=sandbox.dial(), headers={"Authorization": "Bearer no"}
    )

    assert (401, "Unauthorized") == (answer.status_code, answer.json()["error"])


async def test_calls_over_the_lines_are_refused_with_the_limits(sandbox: Door) -> None:
    await sandbox.post("settings", {"concurrencyLimit": 2, "callSeconds": [1, 1]})
    made = [await sandbox.vapi("POST", "/call", sandbox.dial(metadata={"campaignId": "c"})) for _ in range(3)]

    assert [201, 201, 400] == [answer.status_code for answer in made]
    refusal = made[2].json()
    assert "Over Concurrency Limit." == refusal["message"]
    assert {"concurrencyBlocked": True, "concurrencyLimit": 2, "remainingConcurrentCalls": 0} == refusal[
        "subscriptionLimits"
    ]
    seen = await sandbox.get("calls")
    assert (2, 2, 2, {"c": 2}) == tuple(
        seen[name] for name in ("active", "maxActive", "maxActiveOutbound", "maxActiveByCampaign")
    )


async def test_lists_are_newest_first_and_cut_by_time_assistant_and_limit(sandbox: Door) -> None:
    ids = [(await sandbox.vapi("POST", "/call", sandbox.dial())).json()["id"] for _ in range(4)]
    first = (await sandbox.vapi("GET", f"/call/{ids[0]}")).json()

    async def listed(query: str) -> list[str]:
        return [call["id"] for call in (await sandbox.vapi("GET", f"/call?{query}")).json()]

    assert ids[::-1] == await listed("limit=10")
    assert ids[:1:-1] == await listed("limit=2")
    assert ids[::-1] == await listed(f"createdAtGe={first['createdAt']}&assistantId={sandbox.assistant_id}")
    assert ids[0] not in await listed(f"createdAtGt={first['createdAt']}")
    assert [] == await listed(f"createdAtLt={first['createdAt']}")
    assert [] == await listed("assistantId=other")


async def test_several_customers_may_succeed_in_part(sandbox: Door) -> None:
    body = sandbox.dial(customers=[{"number": "+15142885071"}, {"number": "12"}, {"number": "123"}])
    del body["customer"]

    answer = await sandbox.vapi("POST", "/call", body)

    assert 400 == answer.status_code
    body["customers"][1]["number"] = "1234"
    partly = await sandbox.vapi("POST", "/call", body)
    assert (201, 1, 2) == (partly.status_code, len(partly.json()["results"]), len(partly.json()["errors"]))


async def test_a_call_is_cut_at_its_longest_duration(sandbox: Door) -> None:
    await sandbox.post(
        "settings", {"callSeconds": [5, 5], "speed": 100.0, "outcomes": {"customer-ended-call": 1}}
    )
    body = sandbox.dial(assistantOverrides={"maxDurationSeconds": 10})

    made = (await sandbox.vapi("POST", "/call", body)).json()

    assert "exceeded-max-duration" == (await sandbox.reported(made["id"]))["endedReason"]


async def test_an_active_call_is_ended_over_its_control_address(sandbox: Door, product: Product) -> None:
    await sandbox.post("settings", {"callSeconds": [20, 20]})
    made = (await sandbox.vapi("POST", "/call", sandbox.dial())).json()

    await sandbox.http.post(made["monitor"]["controlUrl"], json={"type": "end-call"})

    assert "manually-canceled" == (await sandbox.reported(made["id"]))["endedReason"]
    assert "manually-canceled" == product.of(made["id"])[-1]["endedReason"]


async def test_a_scheduled_call_waits_and_is_never_made_when_deleted(sandbox: Door) -> None:
    plan = {"earliestAt": "2100-01-01T00:00:00Z"}
    made = (await sandbox.vapi("POST", "/call", sandbox.dial(schedulePlan=plan))).json()
    assert ("scheduled", 0) == (made["status"], (await sandbox.get("calls"))["active"])

    deleted = await sandbox.vapi("DELETE", f"/call/{made['id']}")

    assert 200 == deleted.status_code
    assert "scheduled-call-deleted" == (await sandbox.reported(made["id"]))["endedReason"]
    assert 404 == (await sandbox.vapi("GET", f"/call/{made['id']}")).status_code


async def test_only_the_name_of_a_call_can_be_changed(sandbox: Door) -> None:
    made = (await sandbox.vapi("POST", "/call", sandbox.dial())).json()

    changed = await sandbox.vapi("PATCH", f"/call/{made['id']}", {"name": "new"})
    refused = await sandbox.vapi("PATCH", f"/call/{made['id']}", {"status": "ended"})

    assert ("new", 400) == (changed.json()["name"], refused.status_code)
    assert 400 == (await sandbox.vapi("GET", "/call/not-a-uuid")).status_code


async def test_outcomes_can_be_fixed_for_a_number(sandbox: Door) -> None:
    await sandbox.post("settings", {"outcomesByNumber": {"+15142885071": "customer-busy"}})

    made = (await sandbox.vapi("POST", "/call", sandbox.dial())).json()

    seen = await sandbox.reported(made["id"])
    assert ("customer-busy", None, 0) == (seen["endedReason"], seen["startedAt"], seen["cost"])
