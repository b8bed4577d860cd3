"""What the dialing benchmark does at the public door and at the sandbox."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.bench.dial_record import DialedCall, dialed
from deploy.local.child import StackError
from deploy.local.stack import RunningStack

# As many as an account may have, all for campaigns.
LINES = 1000
CAP = 50
FIRST_PHONE = 15_142_000_000
_ANSWER_SECONDS_MAX = 60.0
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class House:
    """The stack as the benchmark asks it."""

    running: RunningStack
    api: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    assistant_id: str

    async def settings(self, **changes: Any) -> None:
        """Of the sandbox."""
        await _asked(self.sandbox.post("/sandbox/settings", json=changes))

    async def campaign(self, name: str, *, contacts: int, first_phone: int = FIRST_PHONE) -> str:
        body = {
            "name": name,
            "assistantId": self.assistant_id,
            "phoneNumberId": self.running["sandbox"]["phone_number_id"],
            "cap": CAP,
            # Whoever is not reached is not tried again: each contact is one call.
            "maxAttempts": 1,
        }
        campaign = await _asked(self.api.post("/v2/campaigns", json=body))
        if contacts:
            await self.enrolled(campaign["id"], contacts_file(contacts, first_phone=first_phone))
        return str(campaign["id"])

    async def enrolled(self, campaign_id: str, content: bytes) -> dict[str, Any]:
        found: dict[str, Any] = await _asked(
            self.api.post(
                f"/v2/campaigns/{campaign_id}/contacts:import",
                content=content,
                headers={"content-type": "text/csv"},
            )
        )
        return found

    async def act(self, campaign_id: str, verb: str) -> None:
        await _asked(self.api.post(f"/v2/campaigns/{campaign_id}:{verb}", json={}))

    async def completed(self, campaign_id: str, *, within_seconds: float) -> bool:
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            campaign = await _asked(self.api.get(f"/v2/campaigns/{campaign_id}"))
            if campaign["status"] == "COMPLETED":
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def dialed(self) -> list[DialedCall]:
        """By the sandbox's record."""
        calls = (await _asked(self.sandbox.get("/sandbox/calls")))["calls"]
        deliveries = (await _asked(self.sandbox.get("/sandbox/deliveries")))["deliveries"]
        return dialed(calls, deliveries)

    async def forgotten(self) -> None:
        """The sandbox's record begins anew."""
        await _asked(self.sandbox.post("/sandbox/reset", json={}))


@asynccontextmanager
async def opened(running: RunningStack) -> AsyncIterator[House]:
    """With an assistant, and lines enough for everything the benchmark dials."""
    options: dict[str, Any] = {"timeout": _ANSWER_SECONDS_MAX, "trust_env": False}
    headers = {"Authorization": f"Bearer {running['api_key']}"}
    async with (
        httpx.AsyncClient(base_url=running["public_url"], headers=headers, **options) as api,
        httpx.AsyncClient(base_url=running["sandbox_url"], **options) as sandbox,
    ):
        accounts = (await _asked(api.get("/v2/providerAccounts")))["providerAccounts"]
        changes = {"lines": LINES, "inboundReserve": 0}
        await _asked(api.patch(f"/v2/providerAccounts/{accounts[0]['id']}", json=changes))
        body = {"providerAssistantId": running["sandbox"]["assistant_id"], "name": "Benchmark"}
        assistant = await _asked(api.post("/v2/assistants:import", json=body))
        house = House(running, api, sandbox, str(assistant["id"]))
        await house.settings(concurrencyLimit=2 * LINES)
        yield house


def contacts_file(rows: int, *, first_phone: int = FIRST_PHONE) -> bytes:
    lines = (f"Person {n},Business {n},+{first_phone + n}\n" for n in range(rows))
    return f"name,business_name,phone\n{''.join(lines)}".encode()


async def _asked(request: Any) -> Any:
    answer: httpx.Response = await request
    if answer.is_error:
        raise StackError(
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: "
            f"{answer.text[:300]}"
        )
    return answer.json()
