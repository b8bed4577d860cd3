"""The inbound half: customers of a drain-cleaning business call, in French and in English."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from deploy.demo.clients import DemoFailed, Door

# Script of the sandbox and how many customers live it. The scripts' own names say what they are about.
CASES: tuple[tuple[str, int], ...] = (
    ("p1_flood_fr", 3),
    ("p1_backup_en", 2),
    ("p2_municipal_fr", 2),
    ("p3_lining_en", 3),
    ("p4_standard_fr", 5),
    ("p4_standard_en", 4),
    ("quote_tool", 2),
    ("classify_tool", 2),
    ("never_ended", 1),
)
NEVER_ENDED = "never_ended"
# Numbers of Montreal's form; only the sandbox ever sees them.
FIRST_CUSTOMER = 15142250100
# Each run has customers of its own: a caller known from an earlier run would only update a lead.
NUMBERS_PER_RUN = 200
RUNS = 500
GAP_SECONDS = 0.15
FOLD_SECONDS_MAX = 60.0
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class InboundCalls:
    """What came of the inbound calls: the record of each, by the provider's id."""

    scripts: dict[str, str]
    records: dict[str, dict[str, Any]]

    @property
    def ended(self) -> list[dict[str, Any]]:
        return [call for call in self.records.values() if call["status"] == "ENDED"]

    def priorities(self) -> Counter[str]:
        return Counter(call.get("priority", "-") for call in self.ended)


def planned() -> list[str]:
    """The script of every call, in the order in which they ring."""
    return [script for script, count in CASES for _ in range(count)]


async def ring(sandbox: Door, *, run: int) -> dict[str, str]:
    """Starts the calls one after another; answers script by provider call id."""
    scripts = {}
    first = FIRST_CUSTOMER + run % RUNS * NUMBERS_PER_RUN
    for index, script in enumerate(planned()):
        customer = f"+{first + 7 * index}"
        call = await sandbox.post("/sandbox/inboundCalls", {"script": script, "customer": customer})
        scripts[call["id"]] = script
        await asyncio.sleep(GAP_SECONDS)
    return scripts


async def recorded(api: Door, scripts: dict[str, str]) -> InboundCalls:
    """Waits until the record has each call, judged and at its end, except the one that never ends."""
    deadline = asyncio.get_running_loop().time() + FOLD_SECONDS_MAX
    while True:
        calls = await api.every("/v2/calls", "calls", direction="INBOUND")
        records = {call["providerCallId"]: call for call in calls if call["providerCallId"] in scripts}
        missing = [key for key, script in scripts.items() if not settled(records.get(key), script)]
        if not missing:
            return InboundCalls(scripts=scripts, records=records)
        if asyncio.get_running_loop().time() > deadline:
            names = ", ".join(sorted({scripts[key] for key in missing}))
            raise DemoFailed(
                f"{len(missing)} inbound calls are not in the record after {FOLD_SECONDS_MAX:.0f} s: {names}"
            )
        await asyncio.sleep(POLL_SECONDS)


def settled(call: dict[str, Any] | None, script: str) -> bool:
    if call is None:
        return False
    if script == NEVER_ENDED:
        return bool(call["status"] == "IN_PROGRESS")
    return bool(call["status"] == "ENDED" and "costUsd" in call and "priority" in call)
