"""How long the reads that people wait for take, asked through the public door."""

from __future__ import annotations

import time
from typing import Any

import httpx

from deploy.bench.figures import spread_ms
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

REPEATS = 40
_ANSWER_SECONDS_MAX = 30.0


async def timed_queries(running: RunningStack, *, tell: Tell) -> dict[str, Any]:
    """Milliseconds by query."""
    headers = {"Authorization": f"Bearer {running['api_key']}"}
    async with httpx.AsyncClient(
        base_url=running["public_url"], headers=headers, timeout=_ANSWER_SECONDS_MAX, trust_env=False
    ) as client:
        found = {name: spread_ms(await _timed(client, path)) for name, path in (await _paths(client)).items()}
    for name, spread in found.items():
        tell(f"    {name:<28} p50 {spread['p50']} ms   p95 {spread['p95']} ms")
    return found


async def _paths(client: httpx.AsyncClient) -> dict[str, str]:
    """Of calls from the middle of what is there."""
    page = (await client.get("/v2/calls", params={"page_size": 500})).raise_for_status().json()
    call = page["calls"][len(page["calls"]) // 2]
    return {
        "calls, newest": "/v2/calls",
        "calls, next page": f"/v2/calls?page_token={page['nextPageToken']}",
        "calls, failed": "/v2/calls?status=FAILED",
        "calls, timed out": "/v2/calls?status=TIMEOUT",
        "calls, P1": "/v2/calls?priority=P1",
        "calls, outbound": "/v2/calls?direction=OUTBOUND",
        "calls of a customer": f"/v2/calls?customer_number=%2B{call['customerNumber'].lstrip('+')}",
        "call": f"/v2/calls/{call['id']}",
        "events of a call": f"/v2/calls/{call['id']}/events",
        "transcript of a call": f"/v2/calls/{call['id']}/transcript",
        "provider events, newest": "/v2/providerEvents",
        "provider events, reports": "/v2/providerEvents?type=end-of-call-report",
        "provider events of a call": f"/v2/providerEvents?provider_call_id={call['providerCallId']}",
        "provider events, unparsed": "/v2/providerEvents?state=UNPARSED",
        "provider events, pending": "/v2/providerEvents?state=PENDING",
        "leads": "/v2/leads",
    }


async def _timed(client: httpx.AsyncClient, path: str) -> list[float]:
    seconds = []
    for _ in range(REPEATS):
        begun = time.monotonic()
        (await client.get(path)).raise_for_status()
        seconds.append(time.monotonic() - begun)
    return seconds
