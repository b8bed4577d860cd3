"""When the ledger is folded into the record: at once after webhooks were stored, by whichever process has
the lease."""

import asyncio
import time
from typing import Final

from libs.loops import Loop
from libs.pg import Lease, Pool, Wakeup
from services.calls.operations.fold import BATCH_MAX, Fold

CHANNEL: Final = "calls_ledger"
_LEASE_SECONDS: Final = 5.0
_INTERVAL_SECONDS: Final = 1.0
# What was just stored stays unreadable until every older transaction has ended;
# so soon it is looked at again.
_SOON_SECONDS_MIN: Final = 0.01
_SOON_SECONDS_MAX: Final = 0.3

# A batch of so many did not come by itself; what gathers in this time is written with the same statements.
_MANY: Final = 25
_GATHER_SECONDS: Final = 0.15
# While it catches up it leaves as much of the time to what comes in as the fold of that will take; but it
# takes more than that itself, for else it would never be done.
_SPARE_SHARE: Final = 0.25
# More comes in than could be folded in all of the time: then it must above all be taken in.
_SHARE_IN_A_CROWD: Final = 0.15
# Unless the record is so far behind that this matters more.
_BEHIND_SECONDS_MAX: Final = 60.0


class Folder:
    """`pool` is the worker role's; `run()` takes one of its connections for good."""

    def __init__(self, fold: Fold, pool: Pool) -> None:
        self._fold = fold
        lease = Lease(pool, schema="calls", name="folder", ttl_seconds=_LEASE_SECONDS)
        self._loop = Loop("folder", self._step, interval_seconds=_INTERVAL_SECONDS, lease=lease)
        self._wakeup = Wakeup(pool, channel=CHANNEL)
        self._soon_seconds = _SOON_SECONDS_MIN
        self._growth = Growth()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop.run())
            group.create_task(self._wakeup.run())
            group.create_task(self._heed_the_ledger())

    async def _step(self) -> int:
        began = time.monotonic()
        handled = await self._fold.step()
        if self._fold.more_soon:
            asyncio.get_running_loop().call_later(self._soon_seconds, self._loop.wake)
            self._soon_seconds = min(self._soon_seconds * 2, _SOON_SECONDS_MAX)
        else:
            self._soon_seconds = _SOON_SECONDS_MIN
        now = time.monotonic()
        grown_per_second = self._growth.per_second(self._fold.newest_position, now=now)
        pause = pause_seconds(
            handled,
            elapsed=now - began,
            behind_seconds=self._fold.behind_seconds,
            grown_per_second=grown_per_second,
        )
        await asyncio.sleep(pause)
        return handled

    async def _heed_the_ledger(self) -> None:
        stored = self._wakeup.watch()
        while True:
            if await self._wakeup.wait(stored, seconds_max=60.0):
                self._loop.wake()


class Growth:
    """How fast the ledger grows, by its end after each step of a series that leaves entries behind."""

    def __init__(self) -> None:
        self._before: tuple[int, float] | None = None

    def per_second(self, newest_position: int | None, *, now: float) -> float:
        """`newest_position` None ends the series. 0 after its first step, when nothing is known yet."""
        before, self._before = self._before, None
        if newest_position is None:
            return 0.0
        self._before = newest_position, now
        return (newest_position - before[0]) / (now - before[1]) if before else 0.0


def pause_seconds(handled: int, *, elapsed: float, behind_seconds: float, grown_per_second: float) -> float:
    """After a step that handled so many entries in `elapsed` seconds, while the ledger grew so fast."""
    if handled < _MANY or behind_seconds > _BEHIND_SECONDS_MAX:
        return 0.0
    if handled < BATCH_MAX:
        return max(0.0, _GATHER_SECONDS - elapsed)
    needed = grown_per_second * elapsed / handled
    share = _SHARE_IN_A_CROWD if needed >= 1 else min(1.0, max(1 - needed, needed + _SPARE_SHARE))
    return elapsed * (1 / share - 1)
