"""When the ledger is folded into the record: at once after webhooks were stored, by whichever process has
the lease."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from libs.loops import Loop
from libs.pg import Lease, Pool, Wakeup
from services.calls.operations.fold import BATCH_MAX, Fold

CHANNEL: Final = "calls_ledger"
_LEASE_SECONDS: Final = 5.0
_INTERVAL_SECONDS: Final = 1.0
# What was just stored stays unreadable until every older transaction has ended; look again soon.
_AGAIN_SECONDS: Final = (0.02, 0.08, 0.3)

# A batch of so many did not come by itself; what gathers in this time is written with the same statements.
_MANY: Final = 25
_GATHER_SECONDS: Final = 0.15
# Beside a crowd the folder takes a share of the time: enough to keep up as long as it can; once it cannot, a
# small one, until the record is far behind the ledger.
_SHARE_OF_TIME: Final = 0.5
_KEEPING_UP_SECONDS_MAX: Final = 1.0
_SHARE_OF_TIME_BEHIND: Final = 0.1
_PAUSE_SECONDS_MAX: Final = 5.0
# So soon it notices that the crowd is gone.
_LOOK_SECONDS: Final = 0.05
_BEHIND_SECONDS_MAX: Final = 30.0


class Folder:
    """`pool` is the worker role's; `run()` takes one of its connections for good. `crowded` says whether
    webhooks are waiting to be stored: they go first, because their senders wait, and what is stored does
    not get lost."""

    def __init__(self, fold: Fold, pool: Pool, *, crowded: Callable[[], bool]) -> None:
        self._fold = fold
        self._crowded = crowded
        lease = Lease(pool, schema="calls", name="folder", ttl_seconds=_LEASE_SECONDS)
        self._loop = Loop("folder", self._step, interval_seconds=_INTERVAL_SECONDS, lease=lease)
        self._wakeup = Wakeup(pool, channel=CHANNEL)
        self._again: list[asyncio.TimerHandle] = []

    def wake(self) -> None:
        """Webhooks were committed. Call it from the event loop's thread."""
        self._loop.wake()
        event_loop = asyncio.get_running_loop()
        for handle in self._again:
            handle.cancel()
        self._again = [event_loop.call_later(seconds, self._loop.wake) for seconds in _AGAIN_SECONDS]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._loop.run())
            group.create_task(self._wakeup.run())
            group.create_task(self._heed_other_processes())

    async def _step(self) -> int:
        began = time.monotonic()
        handled = await self._fold.step()
        elapsed = time.monotonic() - began
        if _MANY <= handled < BATCH_MAX:
            await asyncio.sleep(max(0.0, _GATHER_SECONDS - elapsed))
        if handled:
            await self._let_pass(elapsed)
        return handled

    async def _let_pass(self, elapsed: float) -> None:
        """Pauses for as long as there is a crowd, but no longer than what took `elapsed` seconds is worth."""
        behind = self._fold.behind_seconds
        if behind >= _BEHIND_SECONDS_MAX:
            return
        share = _SHARE_OF_TIME if behind < _KEEPING_UP_SECONDS_MAX else _SHARE_OF_TIME_BEHIND
        ends_at = time.monotonic() + min(elapsed * (1 / share - 1), _PAUSE_SECONDS_MAX)
        while self._crowded() and (left := ends_at - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def _heed_other_processes(self) -> None:
        """Another replica, or an answer, may have stored something."""
        stored = self._wakeup.watch()
        while True:
            if await self._wakeup.wait(stored, seconds_max=60.0):
                self.wake()
