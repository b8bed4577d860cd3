"""Caps and the provider's own limits, as the sandbox's record has them."""

from datetime import datetime

from tests.support.stack import Stack
from tests.support.waiting import eventually

FAST = {"callSeconds": [0.2, 0.6], "speed": 10.0, "reportDelaySeconds": 0.2, "concurrencyLimit": 100}
FAST |= {"outcomes": {"customer-ended-call": 1.0}}
ONCE = {"maxAttempts": 1}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def spans(stack: Stack, campaign_id: str) -> list[tuple[datetime, datetime]]:
    """Begin and end of each call, in the order of their beginnings."""
    dials = await stack.dials(campaign_id)
    return sorted((moment(dial["createdAt"]), moment(dial["endedAt"])) for dial in dials)


async def test_a_cap_that_is_lowered_admits_no_call_until_fewer_are_up(stack: Stack) -> None:
    """V14: nobody is hung up, and nobody is called above the new cap."""
    cap, lowered = 6, 2
    await stack.sandbox.post("/sandbox/settings", {**FAST, "callSeconds": [1.5, 3.0]})
    campaign = await stack.campaign(name="lowered", contacts=10, cap=cap, **ONCE)
    await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")

    async def full() -> bool:
        return len(await stack.dials(campaign["id"])) == cap

    await eventually(full)
    answer = await stack.http.patch(f"/v2/campaigns/{campaign['id']}", json={"cap": lowered})
    assert 200 == answer.status_code, answer.text
    await stack.sandbox.post("/sandbox/settings", FAST)
    await stack.completed(campaign["id"])

    found = await spans(stack, campaign["id"])
    later = found[cap:]
    assert 10 == len(found)
    for began, _ in later:
        assert lowered >= sum(start <= began < end for start, end in found)
    reasons = {dial["endedReason"] for dial in await stack.dials(campaign["id"])}
    assert {"customer-ended-call"} == reasons


async def test_a_provider_that_carries_fewer_calls_than_the_cap_is_not_stormed(stack: Stack) -> None:
    """V15: everybody is called, at the provider's pace, with few refused requests."""
    contacts, carried = 18, 3
    await stack.sandbox.post("/sandbox/settings", {**FAST, "concurrencyLimit": carried})
    since = (await stack.sandbox.get("/sandbox/requests"))["requests"][-1]["seq"]
    campaign = await stack.campaign(name="carried", contacts=contacts, cap=8, **ONCE)
    try:
        await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
        await stack.completed(campaign["id"])
    finally:
        await stack.sandbox.post("/sandbox/settings", FAST)

    requests = (await stack.sandbox.get("/sandbox/requests", since=str(since)))["requests"]
    asked = [one for one in requests if (one["method"], one["path"]) == ("POST", "/vapi/call")]
    refused = [one for one in asked if one["answer"] == 400]
    dials = await stack.dials(campaign["id"])
    assert contacts == len(dials) == len({dial["customer"] for dial in dials})
    assert await stack.max_active(campaign["id"]) <= carried
    # The first crowd knocks; afterwards one call at a time is tried.
    assert 0 < len(refused) < contacts
