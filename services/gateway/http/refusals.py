"""Refusals of an overload, at a pace.

Whoever is refused at once can send again at once, and taking in what is then refused again would use up the
time of what could be stored. So only so many are given per second, and the others wait for theirs: a sender
that waits sends nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

PER_SECOND: Final = 1000
_TICK_SECONDS: Final = 0.05
# Senders have deadlines too, and a sender that hears nothing takes us for dead.
_WAITING_MAX: Final = 3 * PER_SECOND


class Refusals:
    def __init__(self, *, per_second: int = PER_SECOND, waiting_max: int = _WAITING_MAX) -> None:
        self._per_tick = max(1, int(per_second * _TICK_SECONDS))
        self._waiting_max = waiting_max
        self._left = self._per_tick
        self._waiting: deque[Callable[[], None]] = deque()
        self._ticking = False

    def give(self, refuse: Callable[[], None]) -> None:
        """Calls `refuse` at once or in its turn, at most `waiting_max` refusals later."""
        if self._left > 0 and not self._waiting:
            self._left -= 1
            refuse()
        else:
            self._waiting.append(refuse)
            if len(self._waiting) > self._waiting_max:
                self._waiting.popleft()()
        if not self._ticking:
            self._ticking = True
            self._tick_later()

    def _tick_later(self) -> None:
        asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        idle = self._left == self._per_tick and not self._waiting
        self._left = self._per_tick
        while self._waiting and self._left > 0:
            self._left -= 1
            self._waiting.popleft()()
        if idle:
            self._ticking = False
        else:
            self._tick_later()
