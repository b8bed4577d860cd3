"""The kill campaign of dialing: real processes die at each point between a decision and a freed slot while
the provider misbehaves, and nobody is called twice, no cap is broken, no slot is lost.

    K11 K17  campaigns: before an intent and after it, after the answer, after it was stored, before a release
    K12-K14  calls: before the POST, in it, after its answer, after that was stored
    V1       429
    V2       500, 502, 503, with and without a call made
    V3 V10   connections cut, answers that never come while the webhooks already do
    V6       the provider's list and its calls cannot be read
    V9       webhooks dropped, and V7: doubled and shuffled

`KILLS=30` kills that often at each point. What counts is the sandbox's own record.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from deploy.bench.dial_record import dialed, most_at_once
from deploy.demo.clients import DemoFailed
from libs import failpoints
from tests.support.stack import Stack, started
from tests.support.waiting import eventually

KILLS: Final = int(os.environ.get("KILLS", "1"))
# A line is the plan of one life.
POINTS: Final = {
    "calls": [
        "place.before_post=kill#4",
        "place.mid_post=kill#4",
        "place.after_post=kill#4",
        "place.after_commit=kill#4",
    ],
    "campaigns": [
        "dial.before_intent=kill#5",
        "dial.before_post=kill#5",
        "dial.after_post=kill#5",
        "dial.after_commit=kill#5",
        "permit.before_release=kill#5",
    ],
}
CAP: Final = 8
CONTACTS: Final = 60 + 60 * KILLS
CREATE: Final = "vapi.createCall"
# Each for a moment, one after the other, again and again while anybody is called.
FAULTS: Final[list[dict[str, Any]]] = [
    {CREATE: {"mode": "http", "status": 429, "count": 2}},
    {CREATE: {"mode": "http", "status": 500, "callMade": True, "count": 1}},
    {CREATE: {"mode": "http", "status": 503, "callMade": False, "count": 1}},
    {CREATE: {"mode": "http", "status": 502, "callMade": True, "count": 1}},
    {CREATE: {"mode": "reset", "callMade": True, "count": 2}},
    {CREATE: {"mode": "reset", "callMade": False, "count": 1}},
    {CREATE: {"mode": "timeout", "callMade": True, "count": 2, "holdSeconds": 1.5}},
    {"vapi.listCalls": {"mode": "http", "status": 500, "count": 3}},
    {"vapi.getCall": {"mode": "http", "status": 500, "count": 3}},
    {"webhooks": {"drop": 0.25, "duplicate": 0.25, "shuffle": True, "count": 60}},
]
SETTINGS: Final = {"callSeconds": [0.5, 1.2], "speed": 10.0, "reportDelaySeconds": 0.2}
ENVIRON: Final = {
    "CALLS_SETTLE_SECONDS": "5",
    "CALLS_RECONCILE_SECONDS": "0.5",
    "CALLS_STUCK_SECONDS": "6",
    "CALLS_SWEEP_SECONDS": "5",
    "CAMPAIGNS_PLACE_SECONDS": "6",
    "CAMPAIGNS_INTENT_SECONDS": "8",
    "CAMPAIGNS_STUCK_SECONDS": "8",
    "CAMPAIGNS_RECONCILE_SECONDS": "0.5",
    "CAMPAIGNS_REPORT_SECONDS": "5",
}


@dataclass(frozen=True)
class Counts:
    """Of a campaign that is over."""

    contacts: int
    dialed: int
    # Contacts that were never dialed although nothing kept us from it.
    forgotten: int
    double_dials: int
    # Calls above the cap, at the worst instant.
    overshoot: int
    leaked_slots: int
    leaked_lines: int
    # Placements whose outcome was unknown at any time, and those that nobody has found out about.
    unknown: int
    unresolved: int
    resolved_share: float

    @property
    def broken(self) -> tuple[int, ...]:
        return (
            self.forgotten,
            self.double_dials,
            self.overshoot,
            self.leaked_slots,
            self.leaked_lines,
            self.unresolved,
        )


async def counted(stack: Stack, campaign_id: str, *, contacts: int, cap: int) -> Counts:
    """Raises if anything cannot be read."""
    calls = dialed((await stack.sandbox.get("/sandbox/calls"))["calls"], [])
    ours = [call for call in calls if call.campaign_id == campaign_id]
    assert ours, "nothing was read: this says nothing about what was dialed"
    customers = Counter(call.customer for call in ours)
    attempts = await stack.fetch(
        """
        SELECT attempt.id, contact.phone, attempt.state, attempt.counts, attempt.reason,
               call.placement, call.lookups, call.status IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AS open
          FROM campaigns.attempts AS attempt
          JOIN campaigns.contacts AS contact ON contact.id = attempt.contact_id
          LEFT JOIN calls.calls AS call ON call.id = attempt.id
         WHERE attempt.campaign_id = $1::text::uuid
        """,
        campaign_id,
    )
    tried = {row["phone"] for row in attempts if row["counts"]}
    struck = await unanswered(stack)
    unknown = [
        row
        for row in attempts
        if row["placement"] in ("UNKNOWN", "PENDING")
        or row["lookups"]
        or (str(row["id"]) in struck and row["reason"] != "RATE_LIMITED")
    ]
    unresolved = [row for row in attempts if row["state"] in ("INTENT", "UNKNOWN") or row["open"]]
    slots = await stack.fetch("SELECT FROM campaigns.slots WHERE attempt_id IS NOT NULL")
    lines = await stack.fetch("SELECT FROM calls.lines WHERE call_id IS NOT NULL")
    return Counts(
        contacts=contacts,
        dialed=len(ours),
        forgotten=contacts - len(tried | set(customers)),
        double_dials=sum(count - 1 for count in customers.values()),
        overshoot=max(0, most_at_once(ours)[campaign_id] - cap),
        leaked_slots=len(slots),
        leaked_lines=len(lines),
        unknown=len(unknown),
        unresolved=len(unresolved),
        resolved_share=1 - len(unresolved) / max(1, len(unknown)),
    )


async def unanswered(stack: Stack) -> set[str]:
    """Attempts whose request the provider did not answer as it should."""
    requests = (await stack.sandbox.get("/sandbox/requests"))["requests"]
    asked = [one for one in requests if (one["method"], one["path"]) == ("POST", "/vapi/call")]
    return {one["body"]["name"] for one in asked if "fault" in one}


@asynccontextmanager
async def misbehaving(stack: Stack) -> AsyncIterator[Counter[str]]:
    """The provider, as long as the block lasts. Answers how often each fault struck. The pace that its 429
    teaches is taken back each time, or the campaign would go on at one call per second."""
    struck: Counter[str] = Counter()
    [account] = await stack.api.every("/v2/providerAccounts", "providerAccounts")

    async def go_on() -> None:
        while True:
            for fault in FAULTS:
                with suppress(DemoFailed, httpx.HTTPError):
                    await stack.sandbox.post("/sandbox/faults", fault)
                    limit = {"callsPerSecondMax": 100}
                    await stack.http.patch(f"/v2/providerAccounts/{account['id']}", json=limit)
                await asyncio.sleep(0.7)

    task = asyncio.create_task(go_on())
    try:
        yield struck
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        struck.update((await stack.sandbox.get("/sandbox/faults"))["struck"])
        await stack.sandbox.client.delete("/sandbox/faults")


def schedules(folder: Path) -> dict[str, str]:
    for service, points in POINTS.items():
        (folder / service).write_text("\n".join(points * KILLS) + "\n")
    return {f"{service.upper()}_FAILPOINTS": f"@{folder / service}" for service in POINTS}


def struck_points(folder: Path) -> Counter[str]:
    files = [failpoints.struck_file(folder / service) for service in POINTS]
    return Counter(name for file in files if file.exists() for name in file.read_text().split())


def expected_points() -> Counter[str]:
    return Counter({line.partition("=")[0]: KILLS for lines in POINTS.values() for line in lines})


async def reachable(stack: Stack) -> bool:
    """Services find one another; on a busy machine that takes a moment after their start."""
    try:
        return bool(await stack.assistant_id())
    except DemoFailed:
        return False


async def nothing_held(stack: Stack) -> bool:
    """Every slot and line has come back; reconciliation may need a moment after the campaign's end."""
    rows = await stack.fetch(
        """
        SELECT (SELECT count(*) FROM campaigns.slots WHERE attempt_id IS NOT NULL)
             + (SELECT count(*) FROM calls.lines WHERE call_id IS NOT NULL) AS held
        """
    )
    return not rows[0]["held"]


def told(line: str) -> None:
    sys.stdout.write(f"{line}\n")


@pytest.mark.timeout(240 + 120 * KILLS)
async def test_killed_at_every_point_dialing_calls_nobody_twice_and_loses_no_slot(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """K11 to K14, K17, V1, V2, V3, V6, V9, V10 (CA-2): double dials 0, overshoot 0, leaked slots 0."""
    folder = tmp_path_factory.mktemp("points")
    async with started(tmp_path_factory.mktemp("dialing"), **ENVIRON, **schedules(folder)) as stack:
        await stack.sandbox.post("/sandbox/settings", SETTINGS)
        await eventually(lambda: reachable(stack))
        once = {"maxAttempts": 1, "retryDelaySeconds": 0}
        campaign = await stack.campaign(name="points", contacts=CONTACTS, cap=CAP, **once)
        async with misbehaving(stack) as struck:
            await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")

            async def all_struck() -> bool:
                return struck_points(folder) == expected_points()

            await eventually(all_struck, within_seconds=120 + 60 * KILLS)
        await stack.completed(campaign["id"], within=120 + 60 * KILLS)
        await eventually(lambda: nothing_held(stack), within_seconds=60)
        counts = await counted(stack, campaign["id"], contacts=CONTACTS, cap=CAP)

    told(f"kills {sum(struck_points(folder).values())} at {len(expected_points())} points; faults {struck}")
    told(f"{counts}")
    assert expected_points() == struck_points(folder)
    assert (0, 0, 0, 0, 0, 0) == counts.broken
    assert counts.unknown > 0
