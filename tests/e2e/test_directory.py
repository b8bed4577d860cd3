"""The directory of assistants and a campaign's progress, over HTTP as a customer sees them."""

import json
from datetime import UTC, datetime
from typing import Any

from tests.support.stack import Stack, contract_violations

FAST = {"callSeconds": [0.2, 0.4], "speed": 10.0, "reportDelaySeconds": 0.2, "concurrencyLimit": 100}


async def progress(stack: Stack, campaign_id: str) -> list[dict[str, Any]]:
    async with stack.http.stream("GET", f"/v2/campaigns/{campaign_id}/progress", timeout=30) as answer:
        assert 200 == answer.status_code
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in answer.aiter_lines()]
    return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


async def test_templates_become_assistants_that_the_provider_takes(stack: Stack) -> None:
    """AS-3, AS-4, AS-5, AS-6: cloned as the provider's specification allows, exported, without drift; the
    calls of a campaign whose assistant has moved on are orders that the specification allows too."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    since = datetime.now(UTC).isoformat()
    templates = (await stack.api.get("/v2/assistants", source="TEMPLATE"))["assistants"]
    clones = [await stack.api.post(f"/v2/assistants/{one['id']}:clone", {}) for one in templates]
    drifts = [await stack.api.post(f"/v2/assistants/{one['id']}:checkDrift", {}) for one in clones]
    campaign = await stack.campaign(name="pinned", contacts=3, cap=1, assistantId=clones[0]["id"])
    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
    change = {"config": {"firstMessage": "Something else.", "voicemailMessage": "Later."}}
    changed = await stack.http.patch(f"/v2/assistants/{clones[0]['id']}", json=change)
    assert 200 == changed.status_code, changed.text
    told = await progress(stack, campaign["id"])
    restored = await stack.api.post(f"/v2/assistants/{clones[0]['id']}:rollback", {"version": 1})
    exported = await stack.http.get("/v2/assistants:export")
    requests = (await stack.sandbox.get("/sandbox/requests", since=since))["requests"]

    assert 3 == len(templates)
    assert [False, False, False] == [one["drifted"] for one in drifts]
    assert ("COMPLETED", 0) == (told[-1]["status"], told[-1]["stats"]["pending"])
    assert ([1, 2, 3], 3) == ([1, changed.json()["version"], 3], restored["version"])
    assert clones[0]["config"] == restored["config"]
    assert exported.headers["content-type"].startswith("application/json")
    assert {one["id"] for one in clones} <= {one["id"] for one in exported.json()["assistants"]}
    orders = [one["body"] for one in requests if (one["method"], one["path"]) == ("POST", "/vapi/call")]
    pinned = [one for one in orders if "firstMessage" in one["assistantOverrides"]]
    assert {templates[0]["config"]["firstMessage"]} == {
        one["assistantOverrides"]["firstMessage"] for one in pinned
    }
    assert [] == contract_violations(requests)


async def test_what_the_provider_has_is_discovered_over_http(stack: Stack) -> None:
    """AS-5: page by page, as the provider's specification allows."""
    since = datetime.now(UTC).isoformat()
    found: list[dict[str, Any]] = []
    token = ""
    for _ in range(200):
        page = await stack.api.post("/v2/assistants:discover", {"pageSize": 2, "pageToken": token})
        found += page["assistants"]
        token = page.get("nextPageToken", "")
        if not token:
            break
    requests = (await stack.sandbox.get("/sandbox/requests", since=since))["requests"]

    ids = [one["providerAssistantId"] for one in found]
    assert stack.ready["sandbox"]["assistant_id"] in ids
    assert len(ids) == len(set(ids))
    assert [] == contract_violations(requests)
