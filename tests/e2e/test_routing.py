"""Who takes a call that comes in, through Envoy: a route made over the API, and the default while the service
that knows the routes stands still."""

import os
import signal
from typing import Any

from tests.support.stack import Stack
from tests.support.waiting import eventually

CALLER = "+14182660711"


async def ring(stack: Stack, *, customer: str) -> str:
    """A call on a number without an assistant of its own; its id at the provider."""
    wanted = {"script": "p4_standard_en", "customer": customer, "assistantRequest": True}
    return str((await stack.sandbox.post("/sandbox/inboundCalls", wanted))["id"])


async def at_provider(stack: Stack, provider_call_id: str) -> dict[str, Any]:
    calls = (await stack.sandbox.get("/sandbox/calls"))["calls"]
    return next(dict(call) for call in calls if call["id"] == provider_call_id)


async def is_answered(stack: Stack, provider_call_id: str) -> bool:
    return bool((await at_provider(stack, provider_call_id))["startedAt"])


async def in_the_record(stack: Stack, provider_call_id: str) -> str:
    calls = await stack.api.every("/v2/calls", "calls")
    return next((str(call["id"]) for call in calls if call["providerCallId"] == provider_call_id), "")


async def test_a_route_takes_the_call_and_the_record_tells_which(stack: Stack) -> None:
    """IN-1: changed over the API, it decides about the next call."""
    assistant_id = str(stack.ready["sandbox"]["assistant_id"])
    body = {"name": "callers of this test", "conditions": {"callerPrefixes": [CALLER]}}
    route = await stack.api.post("/v2/inboundRoutes", body | {"result": {"errorMessage": "We are closed."}})
    kept_out = await ring(stack, customer=CALLER)

    async def refused() -> bool:
        reason = (await at_provider(stack, kept_out))["endedReason"]
        return bool(reason == "assistant-request-returned-error")

    await eventually(refused)
    result = {"providerAssistantId": assistant_id}
    changed = await stack.http.patch(f"/v2/inboundRoutes/{route['id']}", json={"result": result})
    taken = await ring(stack, customer=CALLER)

    assert result == changed.json()["result"]
    await eventually(lambda: is_answered(stack, taken))
    call_id = await eventually(lambda: in_the_record(stack, taken))
    told = await stack.api.get(f"/v2/calls/{call_id}/route")
    assert ("ROUTE", route["id"], {"assistantId": assistant_id}) == (
        told["reason"],
        told["routeId"],
        told["answer"],
    )
    await stack.http.delete(f"/v2/inboundRoutes/{route['id']}")


async def test_the_default_assistant_takes_the_call_while_calls_stands_still(stack: Stack) -> None:
    """The service is stopped in the middle of everything; the caller is answered all the same, and what the
    call tells is stored once the service goes on."""
    pid = int(stack.ready["pids"]["calls"])
    os.kill(pid, signal.SIGSTOP)
    try:
        call_id = await ring(stack, customer=CALLER)
        await eventually(lambda: is_answered(stack, call_id), within_seconds=7)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert await eventually(lambda: in_the_record(stack, call_id), within_seconds=15)
