"""Reads another service's log and gives each event its effect exactly once.

A batch is handled in one transaction that also moves the cursor. Before it, in a transaction of its own, the
attempt is counted: an event that kills the process is found out as well as one that raises. Once a batch has
failed, events are taken one by one; an event that fails `ATTEMPTS_MAX` times goes to `dead_events`, and from
then on the later events of its subject follow it there, unhandled, until it is retried or discarded.
Everything else goes on.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from typing import Final
from uuid import UUID

import grpc.aio

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs import telemetry
from libs.cancellation import raise_if_cancelled
from libs.errors import Kind, ServiceError
from libs.outbox import cursors
from libs.outbox.effects import Choose, Effects, Handle, word_for
from libs.pg.lease import Lease, LeaseLost
from libs.pg.transactions import Pool, transaction
from libs.rpc.peer import Peer

ATTEMPTS_MAX: Final = 5
_BATCH_MAX: Final = 100
# After a failure, as many events are taken singly before batches are trusted again.
_SINGLE_EVENTS: Final = _BATCH_MAX
_STREAM_SECONDS: Final = 300.0
_LEASE_SECONDS: Final = 6.0
_RETRY_SECONDS_FIRST: Final = 0.05
_BACKOFF_SECONDS_FIRST: Final = 0.05
_BACKOFF_SECONDS_MAX: Final = 5.0

# Failures of our surroundings; an event is not blamed for them.
_SURROUNDINGS: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE})

_log = telemetry.logger(__name__)
_failures = telemetry.meter().create_counter(
    "callplane.consumer.failures", description="Batches and events whose handling failed."
)
_gaps = telemetry.meter().create_counter(
    "callplane.consumer.gaps", description="Times that events were forgotten before they were read."
)


class _TakeSingly(Exception):
    """A batch failed; the stream is to be opened again with batches of one."""


class Consumer:
    """`name` is unique in `schema` and names the cursor; `pool` is the worker role's. `handle` writes through
    the connection it is given and does nothing else: no RPC, no HTTP, no commit. What must follow a commit is
    put into a table by the handler and done by a loop that `wake_after_commit` wakes. An empty `types` means
    all. `choose` looks at a batch as a whole, in its transaction, and leaves out the events that would have
    no effect: these cost no more than that look."""

    def __init__(
        self,
        *,
        name: str,
        source: str,
        peer: Peer,
        pool: Pool,
        schema: str,
        handle: Handle,
        choose: Choose | None = None,
        types: Collection[str] = (),
        wake_after_commit: Callable[[], None] | None = None,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self.name = name
        self._source = source
        self._peer = peer
        self._stub = events_pb2_grpc.EventServiceStub(peer.channel)
        self._pool = pool
        self._schema = schema
        self._effects = Effects(pool, schema=schema, name=name, source=source, handle=handle, choose=choose)
        self._types = tuple(sorted(types))
        self._wake_after_commit = wake_after_commit
        self._lease = Lease(pool, schema=schema, name=f"consumer:{name}", ttl_seconds=lease_seconds)
        self._single_events_left = 0
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled. Of several processes one reads; another takes over when its lease ends."""
        try:
            while True:
                if not await self._held_stream():
                    await asyncio.sleep(self._pause_seconds() * random.uniform(0.5, 1.0))
        finally:
            await self._release_lease()

    async def retry(self, event_id: UUID) -> bool:
        """Handles a dead event and those that wait behind it. False if there is none; raises what the handler
        raises."""
        found = await self._effects.retry(event_id)
        self._wake()
        return found

    async def discard(self, event_id: UUID) -> bool:
        """Gives a dead event up for good and handles those that waited behind it. False if there is none."""
        found = await self._effects.discard(event_id)
        self._wake()
        return found

    async def _held_stream(self) -> bool:
        """Follows the log for one lease and stream. False if there was a failure or somebody else has the
        lease."""
        try:
            if not await self._lease.acquire():
                return False
            async with self._lease.kept():
                await self._follow()
        except _TakeSingly:
            self._single_events_left = _SINGLE_EVENTS
        except grpc.aio.AioRpcError as exc:
            if exc.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                _log.info("event stream interrupted", consumer=self.name, code=exc.code().name)
                self._failures += 1
                return False
        except Exception as exc:  # noqa: BLE001  a reader outlives whatever happens to it
            raise_if_cancelled()
            expected = isinstance(exc, ServiceError | LeaseLost)
            _log.log(
                logging.WARNING if expected else logging.ERROR,
                "consumer interrupted",
                consumer=self.name,
                source=self._source,
                reason=word_for(exc),
                exc_info=None if expected else exc,
            )
            self._failures += 1
            return False
        return True

    def _pause_seconds(self) -> float:
        if self._failures == 0:
            # Somebody else reads; look again while its lease lasts.
            return self._lease.ttl_seconds / 2
        return float(min(_BACKOFF_SECONDS_FIRST * 2 ** min(self._failures, 10), _BACKOFF_SECONDS_MAX))

    async def _follow(self) -> None:
        async with transaction(self._pool) as conn:
            place = await cursors.find_or_create(conn, self._schema, consumer=self.name)
        if place.attempts > 0:
            # The last try at what comes next did not end well, perhaps not even for the process.
            self._single_events_left = _SINGLE_EVENTS
        request = events_pb2.SubscribeRequest(
            after=place.cursor, types=self._types, batch_max=1 if self._single_events_left else _BATCH_MAX
        )
        cursor = place.cursor
        stream = self._stub.Subscribe(request, timeout=_STREAM_SECONDS, metadata=self._peer.metadata())
        try:
            async for batch in stream:
                await self._take(batch, at=cursor)
                cursor = batch.cursor
                if request.batch_max == 1 and self._single_events_left == 0:
                    return
        finally:
            stream.cancel()

    async def _take(self, batch: events_pb2.SubscribeResponse, *, at: str) -> None:
        if batch.missed:
            # They do not come back, so there is nothing to stop for.
            _gaps.add(1, {"consumer": self.name})
            _log.error(
                "events were forgotten before they were read",
                consumer=self.name,
                source=self._source,
                after=at,
            )
        if not batch.events:
            await self._effects.skip(at=at, to=batch.cursor)
        elif len(batch.events) == 1:
            await self._take_single(batch.events[0], at=at, to=batch.cursor)
        else:
            await self._take_batch(batch.events, at=at, to=batch.cursor)
        self._single_events_left = max(0, self._single_events_left - 1)

    async def _take_batch(self, events: Sequence[events_pb2.Event], *, at: str, to: str) -> None:
        await self._count_attempt(at)
        try:
            await self._apply(events, at=at, to=to)
        except Exception as exc:
            await self._judge(exc, at=at)
            raise _TakeSingly from exc

    async def _take_single(self, event: events_pb2.Event, *, at: str, to: str) -> None:
        """Returns when the event is handled or dead."""
        error = "PROCESS_DIED"
        delay = _RETRY_SECONDS_FIRST
        while (attempts := await self._count_attempt(at)) <= ATTEMPTS_MAX:
            try:
                await self._apply([event], at=at, to=to)
                return
            except Exception as exc:  # noqa: BLE001  what cannot be handled is counted and set aside
                error = await self._judge(exc, at=at)
            if attempts < ATTEMPTS_MAX:
                await asyncio.sleep(delay * random.uniform(0.8, 1.2))
                delay *= 2
        await self._effects.bury(event, attempts=attempts - 1, error=error, at=at, to=to)

    async def _count_attempt(self, at: str) -> int:
        async with transaction(self._pool) as conn:
            return await cursors.count_attempt(conn, self._schema, consumer=self.name, at=at)

    async def _judge(self, exc: Exception, *, at: str) -> str:
        """The word for a failure that the events are to blame for; raises it again if they are not."""
        raise_if_cancelled()
        _failures.add(1, {"consumer": self.name})
        if isinstance(exc, ServiceError) and exc.kind in _SURROUNDINGS:
            if not isinstance(exc, cursors.CursorMoved):
                async with transaction(self._pool) as conn:
                    await cursors.forget_attempt(conn, self._schema, consumer=self.name, at=at)
            raise exc
        word = word_for(exc)
        _log.error("event not handled", consumer=self.name, source=self._source, reason=word, exc_info=exc)
        return word

    async def _apply(self, events: Sequence[events_pb2.Event], *, at: str, to: str) -> None:
        await self._effects.apply(events, at=at, to=to)
        self._failures = 0
        self._wake()

    def _wake(self) -> None:
        if self._wake_after_commit is not None:
            self._wake_after_commit()

    async def _release_lease(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._lease.release()
        except (ServiceError, TimeoutError):
            _log.info("lease not released", lease=self._lease.name)
