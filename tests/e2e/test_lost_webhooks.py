"""A provider that loses webhooks: what they told is asked for, and how many were lost is counted."""

import sys
from typing import Any

import pytest

from tests.support.stack import Stack, started
from tests.support.waiting import eventually

CALLS = 40
SETTINGS = {"speed": 20.0, "reportDelaySeconds": 0.3, "concurrencyLimit": 100}
PATIENCE = {
    "CALLS_REPORT_SECONDS": "12",
    "CALLS_STUCK_SECONDS": "4",
    "CALLS_RECONCILE_SECONDS": "0.5",
    "CALLS_SWEEP_SECONDS": "1",
}
SCRIPTS = ("p1_flood_fr", "p3_lining_en", "p4_standard_fr", "outbound_simple")
# The webhook that nothing else makes up for.
MATTERS = "end-of-call-report"


async def deliveries(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = await stack.sandbox.get("/sandbox/deliveries")
    return found


async def all_said(stack: Stack) -> bool:
    """The sandbox has ended every call and has no webhook left to send."""
    calls = (await stack.sandbox.get("/sandbox/calls"))["calls"]
    return all(call["reported"] for call in calls) and (await deliveries(stack))["pending"] == 0


async def at_the_provider(stack: Stack) -> dict[str, tuple[str, int]]:
    """Cost and number of lines of each call, by its id, as the provider shows them."""
    headers = {"Authorization": f"Bearer {stack.running.secrets['VAPI_API_KEY']}"}
    listed = await stack.sandbox.client.get("/vapi/call", params={"limit": "1000"}, headers=headers)
    return {call["id"]: (f"{call['cost']:.4f}", len(call["artifact"]["messages"])) for call in listed.json()}


async def in_the_record(stack: Stack) -> dict[str, tuple[str, int]]:
    """The same of each call that is over."""
    rows = await stack.fetch(
        """
        SELECT provider_call_id, cost_usd::text AS cost, transcript_lines, transcript_source
          FROM calls.calls
         WHERE status IN ('ENDED', 'FAILED') AND transcript_source = 'REPORT'
        """
    )
    return {row["provider_call_id"]: (row["cost"], row["transcript_lines"]) for row in rows}


@pytest.mark.timeout(240)
async def test_a_provider_that_drops_and_shuffles_webhooks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """IN-11: every call ends with its cost and conversation; the lost webhooks that matter are counted."""
    async with started(tmp_path_factory.mktemp("lost"), **PATIENCE) as stack:
        await stack.sandbox.post("/sandbox/settings", SETTINGS)
        await stack.sandbox.post("/sandbox/faults", {"webhooks": {"drop": 0.1, "shuffle": True}})
        for number in range(CALLS):
            # Of two calls nothing is heard at all.
            silent = {"faults": {"drop": 1.0}} if number in (7, 23) else {}
            call = {"script": SCRIPTS[number % len(SCRIPTS)], "customer": f"+1514229{number:04}", **silent}
            await stack.sandbox.post("/sandbox/inboundCalls", call)
        await eventually(lambda: all_said(stack), within_seconds=60)
        right = await at_the_provider(stack)
        dropped = [one for one in (await deliveries(stack))["deliveries"] if one["outcome"] == "dropped"]
        mattered = sum(one["type"] == MATTERS for one in dropped)

        async def caught_up() -> bool:
            return right == await in_the_record(stack)

        await eventually(caught_up, within_seconds=90)

        async def decided() -> bool:
            waiting = await stack.fetch("SELECT type FROM calls.lost_webhooks WHERE found_at IS NULL")
            return not waiting and await counted() >= mattered

        async def counted() -> float:
            return await stack.metric("calls", "callplane_webhooks_lost_total", type=MATTERS)

        await eventually(decided, within_seconds=60)
        lost = await counted()
        sys.stdout.write(
            f"calls {len(right)}, dropped {len(dropped)}, that matter {mattered}, counted {lost:.0f}\n"
        )

        assert CALLS == len(right)
        assert mattered == lost
        assert len(dropped) > mattered > 2
