"""Background loops that do not die."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from libs import telemetry
from libs.cancellation import raise_if_cancelled
from libs.errors import ServiceError
from libs.pg.lease import Lease

_log = telemetry.logger(__name__)
_meter = telemetry.meter()
_runs = _meter.create_counter("callplane.loop.runs", description="Steps a background loop has taken.")
_duration = _meter.create_histogram("callplane.loop.duration", unit="s", description="Time a step took.")
_items = _meter.create_counter("callplane.loop.items", description="Items a background loop has handled.")
_errors = _meter.create_counter("callplane.loop.errors", description="Steps that raised.")

_BACKOFF_SECONDS_MAX = 30.0


class Loop:
    """Runs `step` when woken and every `interval_seconds` (±10 %). A step answers how many items it handled
    and keeps its batches bounded; after a step that handled any, the next follows at once.

    With a lease only one process steps at a time; the others try to take it over. An exception is logged,
    counted and answered with a growing pause.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        *,
        interval_seconds: float,
        lease: Lease | None = None,
    ) -> None:
        self.name = name
        self._step = step
        self._interval_seconds = interval_seconds
        self._lease = lease
        self._woken = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Makes the next step start as soon as possible. Call it from the event loop's thread."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled. A step in progress is cancelled with it; its transaction rolls back."""
        try:
            while True:
                # Cleared before the step: a wake-up during it leads to another one.
                self._woken.clear()
                handled = await self._guarded_step()
                if handled == 0:
                    await self._pause()
        finally:
            await self._release_lease()

    async def _guarded_step(self) -> int:
        try:
            async with AsyncExitStack() as stack:
                if self._lease is not None:
                    if not await self._lease.hold():
                        return 0
                    await stack.enter_async_context(self._lease.kept())
                handled = await self._measured_step()
        except Exception as exc:  # noqa: BLE001  a loop outlives whatever its step raises
            raise_if_cancelled()
            self._failed(exc)
            return 0
        self._failures = 0
        return handled

    async def _measured_step(self) -> int:
        started = time.monotonic()
        labels = {"loop": self.name}
        try:
            handled = await self._step()
        finally:
            _runs.add(1, labels)
            _duration.record(time.monotonic() - started, labels)
        if handled:
            _items.add(handled, labels)
        return handled

    def _failed(self, exc: Exception) -> None:
        self._failures += 1
        _errors.add(1, {"loop": self.name})
        reason = exc.reason if isinstance(exc, ServiceError) else type(exc).__qualname__
        _log.error("loop step failed", loop=self.name, reason=reason, failures=self._failures, exc_info=exc)

    async def _pause(self) -> None:
        if self._failures:
            # Not cut short by wake-ups: what failed is left alone for a moment.
            await asyncio.sleep(
                min(0.1 * 2 ** min(self._failures, 10), _BACKOFF_SECONDS_MAX) * random.uniform(0.5, 1.0)
            )
            return
        try:
            async with asyncio.timeout(self._interval_seconds * random.uniform(0.9, 1.1)):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _release_lease(self) -> None:
        if self._lease is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._lease.release()
        except (ServiceError, TimeoutError):
            # It expires by itself.
            _log.info("lease not released", lease=self._lease.name)
