"""Webhooks on their way into the ledger, in batches.

A webhook that comes alone leaves at once. While one batch is being stored, and for some milliseconds after it
left, the webhooks that arrive gather for the next. A webhook is acknowledged when the ledger has committed it
and at no other time.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from libs import failpoints, telemetry
from libs.errors import ServiceError
from services.gateway.domain.webhooks import IncomingEvent
from services.gateway.errors import IntakeFull, NotStored

failpoints.register("gw.before_ingest", "gw.after_ingest")

_log = telemetry.logger(__name__)
_batches = telemetry.meter().create_histogram(
    "callplane.intake.batch.size", unit="{event}", description="Webhooks stored by one call."
)

Ingest = Callable[[Sequence[IncomingEvent]], Awaitable[None]]

_BATCH_MAX: Final = 200
_BATCH_BYTES_MAX: Final = 12 * 1024 * 1024
_QUEUE_MAX: Final = 2000
_QUEUE_BYTES_MAX: Final = 96 * 1024 * 1024
# Others under way bridge the time in which the first one's answer travels. While webhooks keep being stored
# another one is not worth its own cost for a few of them: these wait for the first one.
_SENDERS: Final = 3
_WORTH_A_CALL: Final = 50
_STEADY_SECONDS: Final = 0.1
# A batch costs as much as some twenty webhooks in it. Unless it is worth that anyway, it leaves so long after
# the one before; one that comes after a pause leaves at once.
_APART_SECONDS: Final = 0.015


@dataclass(slots=True)
class _Waiting:
    event: IncomingEvent
    # Told once: whether the ledger has committed it.
    settle: Callable[[bool], None]


class Intake:
    """`ingest` stores a batch in one transaction or raises; it is asked `senders` times at once at most.
    Batches that are not worth a call by themselves leave `apart_seconds` apart."""

    def __init__(
        self,
        ingest: Ingest,
        *,
        queue_max: int = _QUEUE_MAX,
        batch_max: int = _BATCH_MAX,
        senders: int = _SENDERS,
        apart_seconds: float = _APART_SECONDS,
    ) -> None:
        self._ingest = ingest
        self._senders = senders
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._apart_seconds = apart_seconds
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._arrived = asyncio.Event()
        self._under_way = 0
        self._stored_at = 0.0
        self._left_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def is_full_for(self, size: int) -> bool:
        """Whether a webhook of `size` bytes would be refused at this moment."""
        return len(self._queue) >= self._queue_max or self._queue_bytes + size > _QUEUE_BYTES_MAX

    async def accept(self, event: IncomingEvent) -> None:
        """Returns once the event is committed. Raises IntakeFull or NotStored; then it may still get stored,
        which the ledger's dedupe makes harmless."""
        if self.is_full_for(len(event.body)):
            raise IntakeFull
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.put(event, lambda committed: None if stored.done() else stored.set_result(committed))
        if not await stored:
            raise NotStored

    def put(self, event: IncomingEvent, settle: Callable[[bool], None]) -> None:
        """The same without a coroutine that waits, for there are thousands of them. `settle` is called once,
        with whether the event is committed. Ask `is_full_for` before."""
        self._queue.append(_Waiting(event, settle))
        self._queue_bytes += len(event.body)
        if self._may_leave():
            self._arrived.set()

    async def run(self) -> None:
        """Stores until cancelled; then everybody still waiting is told to send again."""
        try:
            async with asyncio.TaskGroup() as senders:
                for _ in range(self._senders):
                    senders.create_task(self._send())
        finally:
            while self._queue:
                _settle(self._take(), committed=False)

    async def _send(self) -> None:
        while True:
            while not self._may_leave():
                self._arrived.clear()
                await self._arrived.wait()
            self._under_way += 1
            self._left_at = time.monotonic()
            try:
                await self._store(self._take())
            finally:
                self._under_way -= 1

    def _may_leave(self) -> bool:
        if not self._queue or len(self._queue) >= _WORTH_A_CALL:
            return bool(self._queue)
        now = time.monotonic()
        if self._under_way:
            return now - self._stored_at > _STEADY_SECONDS
        early_by = self._left_at + self._apart_seconds - now
        if early_by > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(early_by, self._is_time)
        return early_by <= 0

    def _is_time(self) -> None:
        self._timer = None
        self._arrived.set()

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < self._batch_max:
            size += len(self._queue[0].event.body)
            if batch and size > _BATCH_BYTES_MAX:
                break
            batch.append(self._queue.popleft())
        self._queue_bytes -= sum(len(waiting.event.body) for waiting in batch)
        return batch

    async def _store(self, batch: list[_Waiting]) -> None:
        events = [waiting.event for waiting in batch]
        try:
            with _span(events):
                await failpoints.hit("gw.before_ingest")
                await self._ingest(events)
                await failpoints.hit("gw.after_ingest")
        except asyncio.CancelledError:
            _settle(batch, committed=False)
            raise
        except Exception as exc:  # noqa: BLE001  nobody may go on waiting, whatever it is
            reason = exc.reason if isinstance(exc, ServiceError) else type(exc).__qualname__
            _log.warning("webhooks not stored", events=len(batch), reason=reason)
            _settle(batch, committed=False)
            return
        _batches.record(len(batch))
        self._stored_at = time.monotonic()
        _settle(batch, committed=True)


def _settle(batch: list[_Waiting], *, committed: bool) -> None:
    for waiting in batch:
        try:
            waiting.settle(committed)
        except Exception as exc:  # noqa: BLE001  one that cannot be told must not keep it from the others
            _log.error("webhook not told", exc_info=exc)


def _span(events: Sequence[IncomingEvent]) -> AbstractContextManager[object]:
    """A batch belongs to many traces: it continues that of its first webhook and is linked to the others."""
    return telemetry.span(
        "intake batch",
        attributes={"callplane.batch.size": len(events)},
        traceparent=events[0].traceparent,
        links=[event.traceparent for event in events[1:]],
    )
