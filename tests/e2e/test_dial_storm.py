"""The long run of dialing: `campaigns` and `calls` are killed again and again while 2,000 people are called.

`make kills DIALS=1`, or the number of contacts. `SEED=7` kills at the same intervals as another run with that
seed did.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest

from tests.e2e.test_dial_kill_points import ENVIRON, counted, nothing_held, reachable, told
from tests.support.stack import Stack, started
from tests.support.waiting import eventually

DIALS: Final = int(os.environ.get("DIALS") or "0")
CONTACTS: Final = 2_000 if DIALS == 1 else DIALS
SEED: Final = int(os.environ.get("SEED") or random.randrange(1_000_000))
CAP: Final = 50
# Between kills, on average; one of the two services dies, now and then both.
MEAN_SECONDS: Final = 5.0
BOTH_SHARE: Final = 0.1
VICTIMS: Final = ("campaigns", "calls")
SETTINGS: Final = {"callSeconds": [2.0, 6.0], "speed": 10.0, "reportDelaySeconds": 0.5}


@asynccontextmanager
async def killing(stack: Stack, chance: random.Random) -> AsyncIterator[Counter[str]]:
    """As long as the block lasts. Answers how often each service was killed."""
    kills: Counter[str] = Counter()

    async def go_on() -> None:
        while True:
            await asyncio.sleep(chance.expovariate(1 / MEAN_SECONDS))
            chosen = VICTIMS if chance.random() < BOTH_SHARE else (chance.choice(VICTIMS),)
            await asyncio.gather(*(stack.killed(name) for name in chosen))
            kills.update(chosen)

    task = asyncio.create_task(go_on())
    try:
        yield kills
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.skipif(not DIALS, reason="takes minutes: make kills DIALS=1")
@pytest.mark.timeout(3600)
async def test_a_long_campaign_completes_under_kills(tmp_path_factory: pytest.TempPathFactory) -> None:
    """K23 (CA-2): campaigns and calls die every five seconds on average; the invariants hold."""
    told(f"seed {SEED}, {CONTACTS} contacts at cap {CAP}")
    async with started(tmp_path_factory.mktemp("storm"), **ENVIRON) as stack:
        await stack.sandbox.post("/sandbox/settings", SETTINGS)
        await eventually(lambda: reachable(stack))
        campaign = await stack.campaign(name="storm", contacts=CONTACTS, cap=CAP, maxAttempts=1)
        async with killing(stack, random.Random(SEED)) as kills:
            await stack.api.post(f"/v2/campaigns/{campaign['id']}:start")
            await stack.completed(campaign["id"], within=3000)
        await eventually(lambda: nothing_held(stack), within_seconds=60)
        counts = await counted(stack, campaign["id"], contacts=CONTACTS, cap=CAP)

    told(f"kills {dict(kills)}; {counts}")
    assert (0, 0, 0, 0, 0, 0) == counts.broken
    assert counts.resolved_share >= 0.999
    assert min(kills[name] for name in VICTIMS) > 0
