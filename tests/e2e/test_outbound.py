"""The outbound story: a campaign from a file to its end, as the sandbox saw it."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

from tests.support.stack import Stack, contract_violations
from tests.support.waiting import eventually

FAST = {"callSeconds": [0.2, 0.6], "speed": 10.0, "reportDelaySeconds": 0.3, "concurrencyLimit": 100}
CONTACTS = 24
CAP = 5


async def test_a_campaign_calls_everybody_once_under_its_cap(stack: Stack) -> None:
    await stack.sandbox.post("/sandbox/settings", FAST)
    campaign = await stack.campaign(name="everybody once", contacts=CONTACTS, cap=CAP)

    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
    done = await stack.completed(campaign["id"])

    dials = await stack.dials(campaign["id"])
    assert CONTACTS == len(dials) == len({dial["customer"] for dial in dials})
    assert 0 < await stack.max_active(campaign["id"]) <= CAP
    assert (CONTACTS, CONTACTS, 0) == tuple(done["stats"][f] for f in ("contacts", "attempts", "active"))
    assert done["startedAt"] <= done["completedAt"]


async def test_no_call_of_a_batch_begins_before_the_last_one_is_over(stack: Stack) -> None:
    """CA-2: strict batches, by the provider's own clock; contacts that failed to answer come again later."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    rule = {"outcome": "NO_ANSWER", "maxRetries": 1, "delaySeconds": 0}
    campaign = await stack.campaign(
        name="batches",
        contacts=11,
        cap=4,
        mode="BATCH",
        maxAttempts=2,
        # For the outcomes without a rule.
        retryDelaySeconds=0,
        retryPolicy={"rules": [rule]},
    )
    assert [rule | {"dayparts": [], "anotherDaypart": False}] == campaign["retryPolicy"]["rules"]

    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
    await stack.completed(campaign["id"])

    dials = sorted(await stack.dials(campaign["id"]), key=lambda dial: dial["createdAt"])
    batches = [dials[start : start + 4] for start in range(0, len(dials), 4)]
    assert len(batches) >= 3
    for batch, following in pairwise(batches):
        assert max(dial["endedAt"] for dial in batch) <= min(dial["createdAt"] for dial in following)


async def test_a_campaign_goes_on_by_rest(stack: Stack) -> None:
    """CA-1, CA-2, CA-7: contacts added, imports taken back, the number's health, deletion."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    campaign = await stack.campaign(name="goes on", contacts=1, autoEnroll=True)
    path = f"/v2/campaigns/{campaign['id']}"
    await stack.api.post(f"{path}:start")
    added = await stack.api.post(
        f"{path}/contacts",
        {"contacts": [{"name": "Ann", "phone": "418 266 0911"}, {"name": "", "phone": "1"}]},
    )
    assert (1, [(2, "name")]) == (
        added["accepted"],
        [(one["row"], one["field"]) for one in added["rejected"]],
    )

    async def called() -> bool:
        return len(await stack.dials(campaign["id"])) == 2

    await eventually(called)
    imports = (await stack.api.get(f"{path}/imports"))["imports"]
    assert [("REQUEST", 2), ("FILE", 1)] == [(one["source"], one["totalRows"]) for one in imports]
    undone = await stack.api.post(f"{path}/imports/{added['importId']}:undo")
    assert (0, 1) == (undone["undo"].get("removed", 0), undone["undo"]["kept"])
    health = await stack.api.get(f"/v2/phoneNumbers/{campaign['phoneNumberId']}/health")
    assert (campaign["phoneNumberId"], "vapi") == (health["phoneNumberId"], health["provider"])
    assert health["status"] in ("HEALTHY", "BUSY")
    await stack.http.patch(path, json={"autoEnroll": False})
    await stack.completed(campaign["id"])
    assert 200 == (await stack.http.delete(path)).status_code
    assert 404 == (await stack.http.get(path)).status_code


async def test_what_the_providers_are_asked_is_what_their_specifications_allow(stack: Stack) -> None:
    await stack.sandbox.post("/sandbox/settings", FAST)
    since = datetime.now(UTC).isoformat()
    config = {"model": {"provider": "openai", "model": "gpt-4o-mini"}}
    assistant = await stack.api.post("/v2/assistants", {"name": "By the book", "config": config})
    campaign = await stack.campaign(name="by the book", contacts=1, assistantId=assistant["id"])
    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
    message = {"to": "+14182660999", "body": "Bonjour, votre technicien arrive."}
    await stack.api.post("/v2/messages", message)
    await stack.completed(campaign["id"])

    async def asked() -> set[str]:
        requests = (await stack.sandbox.get("/sandbox/requests", since=since))["requests"]
        assert [] == contract_violations(requests)
        wanted = ("/vapi/assistant", "/vapi/call", "Messages.json")
        found = {end for end in wanted for r in requests if r["method"] == "POST" and r["path"].endswith(end)}
        return found if len(found) == len(wanted) else set()

    await eventually(asked)


async def test_the_stats_become_those_of_the_calls(stack: Stack) -> None:
    await stack.sandbox.post("/sandbox/settings", FAST)
    campaign = await stack.campaign(name="stats", contacts=6, cap=6)
    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
    await stack.completed(campaign["id"])

    async def costs_known() -> bool:
        calls = await stack.api.every("/v2/calls", "calls", campaignId=campaign["id"])
        return len(calls) == 6 and all("costUsd" in call for call in calls)

    await eventually(costs_known)
    calls = await stack.api.every("/v2/calls", "calls", campaignId=campaign["id"])

    async def agree() -> bool:
        stats = await stack.api.get(f"/v2/campaigns/{campaign['id']}/stats")
        return Counter(call["status"] for call in calls) == stats["byStatus"] and "totalCostUsd" in stats

    await eventually(agree)


async def test_an_unknown_placement_is_looked_up_and_never_dialed_twice(stack: Stack) -> None:
    await stack.sandbox.post("/sandbox/settings", FAST)
    await stack.sandbox.post(
        "/sandbox/faults", {"vapi.createCall": {"mode": "reset", "callMade": True, "count": 2}}
    )
    campaign = await stack.campaign(name="unknown", contacts=4, cap=2)
    try:
        await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
        await stack.completed(campaign["id"])
    finally:
        await stack.sandbox.client.delete("/sandbox/faults")

    dials = await stack.dials(campaign["id"])
    assert 4 == len(dials) == len({dial["customer"] for dial in dials})
    assert {1} == set(Counter(dial["name"] for dial in dials).values())


async def test_a_refused_dial_is_tried_again_without_using_an_attempt(stack: Stack) -> None:
    """V1: 429 uses up no attempt, wastes no further request, and slows the account until somebody says
    otherwise."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    since = datetime.now(UTC).isoformat()
    await stack.sandbox.post(
        "/sandbox/faults", {"vapi.createCall": {"mode": "http", "status": 429, "callMade": False, "count": 2}}
    )
    campaign = await stack.campaign(name="refused", contacts=3, cap=3)
    try:
        await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
        done = await stack.completed(campaign["id"])
    finally:
        await stack.sandbox.client.delete("/sandbox/faults")
        accounts = await stack.api.every("/v2/providerAccounts", "providerAccounts")
        [account] = [one for one in accounts if one["name"] == "Sandbox"]
        quick = await stack.http.patch(f"/v2/providerAccounts/{account['id']}", json={"callsPerSecondMax": 0})

    assert 3 == len({dial["customer"] for dial in await stack.dials(campaign["id"])})
    assert 3 == done["stats"]["attempts"]
    requests = (await stack.sandbox.get("/sandbox/requests", since=since))["requests"]
    posts = [one for one in requests if one["method"] == "POST" and one["path"].endswith("/vapi/call")]
    assert 3 + 2 == len(posts)
    assert "callsPerSecond" in account
    assert "callsPerSecond" not in quick.json()


async def test_the_export_has_a_row_for_each_contact(stack: Stack) -> None:
    campaign = await stack.campaign(name="export", contacts=3)

    answer = await stack.http.get(f"/v2/campaigns/{campaign['id']}/export.csv")

    lines = answer.text.splitlines()
    assert 200 == answer.status_code
    assert answer.headers["content-type"].startswith("text/csv")
    assert "name,business_name,phone,call_status,ended_reason,cost_usd,duration_seconds" in lines[0]
    assert 4 == len(lines)


async def test_a_campaign_cannot_be_started_twice(stack: Stack) -> None:
    campaign = await stack.campaign(name="twice", contacts=1)
    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")

    again = await stack.http.post(f"/v2/campaigns/{campaign['id']}:start", json={})

    assert 400 == again.status_code
    assert "CAMPAIGN_WRONG_STATUS" in again.text
    await stack.completed(campaign["id"])
