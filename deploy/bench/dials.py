"""Dialing: how soon a slot is filled again, how full slots are kept, whether campaigns share fairly; import
and figures of a large list."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import UUID

from deploy.bench.database import Database, connected
from deploy.bench.dial_house import CAP, House, contacts_file, opened
from deploy.bench.dial_record import most_at_once, refill_seconds, repeats, slowest_share, utilization
from deploy.bench.figures import spread_ms
from deploy.bench.memory import resident_megabytes
from deploy.local.processes import Tell
from deploy.local.stack import RunningStack

CONTACTS = 2_000
# Real seconds: nothing is played faster than it would be.
CALL_SECONDS = (5.0, 15.0)
LARGE = 10_000
IMPORTS = 8
STATS_REPEATS = 100
CROWD = 20
CROWD_CALL_SECONDS = (20.0, 40.0)
CROWD_SECONDS = 90.0
_CROWD_CONTACTS = 400
# Numbers of the lists do not overlap: nobody is in two campaigns.
_PHONES_APART = 20_000
_FIRST_CROWD_PHONE = 15_145_000_000
_ATTEMPTS = """
INSERT INTO campaigns.attempts (
       org_id, campaign_id, contact_id, number, batch_no, state, call_status, outcome, ended_reason,
       placed_at, ended_at, duration_seconds, cost_usd, success_evaluation)
SELECT org_id, campaign_id, id, 1, 0, 'ENDED', 'ENDED', 'HUMAN', 'customer-ended-call', now(), now(),
       position % 90, position % 90 / 500.0, position % 3 = 0
  FROM campaigns.contacts
 WHERE campaign_id = $1
"""


async def run(running: RunningStack, *, contacts: int, tell: Tell) -> dict[str, Any]:
    """The section `dials` of the result."""
    async with opened(running) as house:
        found: dict[str, Any] = {"contacts": contacts, "cap": CAP, "call_seconds": CALL_SECONDS}
        found["imports"], large = await _imports(house, tell=tell)
        found["stats_ms"] = await _stats(house, large, tell=tell)
        found["one"] = await _one(house, contacts=contacts, tell=tell)
        await house.forgotten()
        found["crowd"] = await _crowd(house, tell=tell)
    return {"problems": problems_of(found), **found}


def problems_of(found: dict[str, Any]) -> list[str]:
    """What makes the figures worthless."""
    problems = []
    one, crowd = found["one"], found["crowd"]
    if not one["completed"] or one["dialed"] != found["contacts"]:
        problems.append(f"dials: {one['dialed']} of {found['contacts']} contacts were called")
    for name, part in (("one campaign", one), ("campaigns at once", crowd)):
        if part["repeats"]:
            problems.append(f"dials: {name}: {part['repeats']} attempts were dialed twice")
        if part["most_at_once"] > CAP:
            problems.append(f"dials: {name}: {part['most_at_once']} calls at once above the cap of {CAP}")
    return problems


async def _imports(house: House, *, tell: Tell) -> tuple[dict[str, Any], str]:
    """Several files one after the other, each into a campaign of its own; answers the last one's id."""
    content = contacts_file(LARGE)
    seconds, memory, campaign_id = [], [], ""
    for number in range(IMPORTS):
        campaign_id = await house.campaign(f"Import {number}", contacts=0)
        begun = time.monotonic()
        report = await house.enrolled(campaign_id, content)
        seconds.append(time.monotonic() - begun)
        memory.append(resident_megabytes({"campaigns": house.running["pids"]["campaigns"]})["campaigns"])
        tell(f"    {report['accepted']:,} contacts in {seconds[-1]:.2f} s, campaigns has {memory[-1]} MiB")
    return {
        "rows": LARGE,
        "bytes": len(content),
        "seconds_max": round(max(seconds), 3),
        "seconds_p50": round(sorted(seconds)[len(seconds) // 2], 3),
        # The first two fill caches and arenas.
        "mib_after": memory,
        "mib_grown": round(memory[-1] - memory[1], 1),
    }, campaign_id


async def _stats(house: House, campaign_id: str, *, tell: Tell) -> dict[str, Any]:
    """Of a campaign whose contacts were all called. Through the public door."""
    async with connected(Database.of(house.running)) as conn:
        await conn.execute(_ATTEMPTS, UUID(campaign_id))
        await conn.execute("ANALYZE campaigns.attempts, campaigns.contacts")
    seconds = []
    for _ in range(STATS_REPEATS):
        begun = time.monotonic()
        (await house.api.get(f"/v2/campaigns/{campaign_id}/stats")).raise_for_status()
        seconds.append(time.monotonic() - begun)
    spread = spread_ms(seconds)
    tell(f"    stats of {LARGE:,} contacts: p50 {spread['p50']} ms, p95 {spread['p95']} ms")
    return spread


async def _one(house: House, *, contacts: int, tell: Tell) -> dict[str, Any]:
    await house.settings(callSeconds=CALL_SECONDS)
    campaign_id = await house.campaign("One", contacts=contacts)
    begun = time.monotonic()
    await house.act(campaign_id, "start")
    expected_seconds = contacts / CAP * sum(CALL_SECONDS) / 2
    completed = await house.completed(campaign_id, within_seconds=60 + 2 * expected_seconds)
    seconds = time.monotonic() - begun
    calls = [call for call in await house.dialed() if call.campaign_id == campaign_id]
    refill = spread_ms(refill_seconds(calls, cap=CAP))
    found = {
        "completed": completed,
        "seconds": round(seconds, 1),
        "dialed": len(calls),
        "repeats": repeats(calls),
        "most_at_once": most_at_once(calls).get(campaign_id, 0),
        "refill_ms": refill,
        "utilization": utilization(calls, cap=CAP),
    }
    tell(f"    refill p50 {refill['p50']} ms, p99 {refill['p99']} ms; utilization {found['utilization']}")
    return found


async def _crowd(house: House, *, tell: Tell) -> dict[str, Any]:
    await house.settings(callSeconds=CROWD_CALL_SECONDS)
    campaigns = [
        await house.campaign(
            f"Crowd {number}",
            contacts=_CROWD_CONTACTS,
            first_phone=_FIRST_CROWD_PHONE + number * _PHONES_APART,
        )
        for number in range(CROWD)
    ]
    began_at = time.time()
    for campaign_id in campaigns:
        await house.act(campaign_id, "start")
    await asyncio.sleep(CROWD_SECONDS)
    until = time.time()
    for campaign_id in campaigns:
        await house.act(campaign_id, "cancel")
    calls = [call for call in await house.dialed() if call.created_at <= until]
    peaks = most_at_once(calls)
    found = {
        "campaigns": CROWD,
        "seconds": round(until - began_at, 1),
        "call_seconds": CROWD_CALL_SECONDS,
        "dialed": len(calls),
        "dialed_per_second": round(len(calls) / (until - began_at), 1),
        "repeats": repeats(calls),
        "most_at_once": max(peaks.values(), default=0),
        "least_most_at_once": min((peaks.get(one, 0) for one in campaigns), default=0),
        "slowest_share": slowest_share(calls, campaigns, until=until),
    }
    tell(f"    {CROWD} campaigns: {found['dialed']:,} calls, slowest share {found['slowest_share']}")
    return found
