"""The outbound half: one campaign of 60 contacts under a cap of 8."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.demo.clients import DemoFailed, Door

CONTACTS = 60
CAP = 8
FIRST_CONTACT = 14182650200
CAMPAIGN_SECONDS_MAX = 180.0
POLL_SECONDS = 0.3

ASSISTANT = {
    "name": "Spring inspection",
    "config": {
        "firstMessage": "Hello, this is the drain company calling about your spring inspection.",
        "model": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "You offer a drain inspection. Be brief and polite."}],
        },
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
    },
}


@dataclass(frozen=True)
class Outcome:
    """How the campaign went, as the API tells it."""

    campaign: dict[str, Any]
    imported: dict[str, Any]
    attempts: list[dict[str, Any]]


def contacts_csv() -> bytes:
    """60 good rows, one that repeats a number and two that cannot be called."""
    rows = ["name,business_name,phone"]
    rows += [f"Contact {n:02},Business {n:02},+{FIRST_CONTACT + 11 * n}" for n in range(CONTACTS)]
    rows += [f"Contact 00 again,Business 00,+{FIRST_CONTACT}", "Too Short,Bakery,+1418", "No Number,Florist,"]
    return "\n".join(rows).encode() + b"\n"


async def prepare(api: Door, *, phone_number_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An assistant, a campaign and its contacts; answers (campaign, import report)."""
    assistant = await api.post("/v2/assistants", ASSISTANT)
    campaign = await api.post(
        "/v2/campaigns",
        {
            "name": "Spring inspection",
            "assistantId": assistant["id"],
            "phoneNumberId": phone_number_id,
            "cap": CAP,
            "mode": "CONTINUOUS",
        },
    )
    imported = await api.upload(f"/v2/campaigns/{campaign['id']}/contacts:import", contacts_csv())
    return campaign, imported


async def run(
    api: Door,
    campaign: dict[str, Any],
    imported: dict[str, Any],
    *,
    traceparent: str,
    progress: Callable[[int, int], None],
) -> Outcome:
    """Starts the campaign and follows it to its end; `progress` gets (contacts dealt with, calls open)."""
    await api.post(f"/v2/campaigns/{campaign['id']}:start", headers={"traceparent": traceparent})
    deadline = asyncio.get_running_loop().time() + CAMPAIGN_SECONDS_MAX
    while True:
        campaign = await api.get(f"/v2/campaigns/{campaign['id']}")
        stats = campaign["stats"]
        progress(stats["contacts"] - stats["pending"] - stats["active"], stats["active"])
        if campaign["status"] == "COMPLETED":
            break
        if campaign["status"] in ("FAILED", "CANCELED"):
            raise DemoFailed(f"the campaign became {campaign['status']}: {campaign['failureReason']}")
        if asyncio.get_running_loop().time() > deadline:
            raise DemoFailed(
                f"the campaign is still {campaign['status']} after {CAMPAIGN_SECONDS_MAX:.0f} s: {stats}"
            )
        await asyncio.sleep(POLL_SECONDS)
    attempts = await api.every(f"/v2/campaigns/{campaign['id']}/attempts", "attempts")
    return Outcome(campaign=campaign, imported=imported, attempts=attempts)
