"""SIGKILL of any service while a campaign runs and webhooks come in: nothing is lost or done twice."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from tests.support.stack import Stack
from tests.support.waiting import eventually

CONTACTS = 16
CAP = 4
SETTINGS = {"callSeconds": [0.6, 1.4], "speed": 10.0, "reportDelaySeconds": 0.3, "concurrencyLimit": 100}
SETTINGS |= {"outcomes": {"customer-ended-call": 1.0}}


async def posted(stack: Stack, marker: str, number: int) -> bool:
    """Sends one webhook; true if it was acked."""
    message = {"type": "hang", "timestamp": 1_790_000_000_000 + number, "call": {"id": marker}}
    body = json.dumps({"message": message}).encode()
    signature = hmac.new(stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
    try:
        answer = await stack.http.post(stack.vapi_path, content=body, headers={"x-vapi-signature": signature})
    except httpx.HTTPError:
        return False
    assert answer.status_code in (200, 500, 502, 503, 504), answer.text
    return answer.status_code == 200


async def send_webhooks(stack: Stack, marker: str, stop: asyncio.Event) -> int:
    """A steady stream until `stop`; answers how many were acked."""
    acked = 0
    number = 0
    while not stop.is_set():
        acked += await posted(stack, marker, number)
        number += 1
        await asyncio.sleep(0.02)
    return acked


async def stored(stack: Stack, marker: str) -> int:
    return len(await stack.api.every("/v2/providerEvents", "providerEvents", providerCallId=marker))


async def assert_invariants(stack: Stack, campaign_id: str) -> None:
    """By the sandbox's own record: everybody was reached, no attempt dialed twice, the cap held."""
    dials = await stack.dials(campaign_id)
    assert CONTACTS == len({dial["customer"] for dial in dials})
    assert 1 == max(Counter(dial["name"] for dial in dials).values())
    assert await stack.max_active(campaign_id) <= CAP


@pytest.mark.parametrize("service", ["calls", "campaigns", "notify", "gateway"])
async def test_a_killed_service_comes_back_and_the_campaign_completes(stack: Stack, service: str) -> None:
    await stack.sandbox.post("/sandbox/settings", SETTINGS)
    campaign = await stack.campaign(name=f"kill {service}", contacts=CONTACTS, cap=CAP)
    marker = str(uuid4())
    stop = asyncio.Event()
    webhooks = asyncio.create_task(send_webhooks(stack, marker, stop))
    try:
        await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")

        async def under_way() -> bool:
            return len(await stack.dials(campaign["id"])) >= CAP + 2

        await eventually(under_way)
        await stack.killed(service)
        await stack.completed(campaign["id"])
    finally:
        stop.set()
        acked = await webhooks

    await assert_invariants(stack, campaign["id"])
    assert acked > 0

    async def all_there() -> bool:
        return await stored(stack, marker) >= acked

    await eventually(all_there)
