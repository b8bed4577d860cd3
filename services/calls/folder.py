"""When the ledger is folded into the record: at once after webhooks were stored, by whichever process has
the lease."""

import asyncio
from typing import Final

from libs.loops import Loop
from libs.pg import Lease, Pool, Wakeup
from services.calls.operations.fold import Fold

CHANNEL: Final = "calls_ledger"
_LEASE_SECONDS: Final = 5.0
_INTERVAL_SECONDS: Final = 1.0
# What was just stored stays unreadable until every older transaction has ended; look again soon.
_AGAIN_SECONDS: Final = (0.02, 0.08, 0.3)


class Folder:
    """`pool` is the worker role's; `run()` takes one of its connections for good."""

    def __init__(self, fold: Fold, pool: Pool) -> None:
        lease = Lease(pool, schema="calls", name="folder", ttl_seconds=_LEASE_SECONDS)
        self._loop = Loop("folder", fold.step, interval_seconds=_INTERVAL_SECONDS, lease=lease)
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

    async def _heed_other_processes(self) -> None:
        """Another replica, or an answer, may have stored something."""
        stored = self._wakeup.watch()
        while True:
            if await self._wakeup.wait(stored, seconds_max=60.0):
                self.wake()
