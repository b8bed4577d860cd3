"""Work that outlives the step that started it, at most so much at a time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from libs import telemetry
from libs.errors import ServiceError

_log = telemetry.logger(__name__)


class InFlight:
    """A loop's step starts as much as is `free` and returns; `on_done` (the loop's `wake`) tells when there
    is room.

    What is started must put its own outcome on record; an exception of it is logged and otherwise forgotten.
    """

    def __init__(self, name: str, *, limit: int, on_done: Callable[[], None]) -> None:
        self._name = name
        self._limit = limit
        self._on_done = on_done
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def free(self) -> int:
        return self._limit - len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def drain(self, *, seconds_max: float) -> None:
        """Lets what runs end, and cancels what does not in time."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds_max)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            reason = exc.reason if isinstance(exc, ServiceError) else type(exc).__qualname__
            _log.error("work in flight failed", work=self._name, reason=reason, exc_info=exc)
        self._on_done()
