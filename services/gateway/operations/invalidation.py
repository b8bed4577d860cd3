"""Empties caches when another request, here or in another process, changed what they hold."""

from collections.abc import Callable, Sequence
from typing import Final

from libs.pg import Wakeup

# The caches expire by themselves; this only keeps the wait from being endless.
_SECONDS_MAX: Final = 3600.0


class Invalidation:
    """`wakeup` has to run beside it."""

    def __init__(self, wakeup: Wakeup, clear: Sequence[Callable[[], None]]) -> None:
        self._wakeup = wakeup
        self._clear = clear

    async def run(self) -> None:
        """Clears at each notification and whenever some may have been missed; until cancelled."""
        notified = self._wakeup.watch()
        while True:
            if await self._wakeup.wait(notified, seconds_max=_SECONDS_MAX):
                for clear in self._clear:
                    clear()
