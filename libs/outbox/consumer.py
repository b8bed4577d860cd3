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
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import grpc.aio

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs import failpoints, telemetry
from libs.cancellation import raise_if_cancelled
from libs.errors import Kind, ServiceError
from libs.outbox import cursors, dead_events
from libs.pg.lease import Lease, LeaseLost
from libs.pg.transactions import Connection, Pool, transaction
from libs.rpc.peer import Peer

Handle: TypeAlias = Callable[[Connection, events_pb2.Event], Awaitable[None]]

ATTEMPTS_MAX: Final = 5
_BATCH_MAX: Final = 100
# After a failure, as many events are taken singly before batches are trusted again.
_SINGLE_EVENTS: Final = _BATCH_MAX
_STREAM_SECONDS: Final = 300.0
_LEASE_SECONDS: Final = 6.0
_BACKOFF_SECONDS_FIRST: Final = 0.05
_BACKOFF_SECONDS_MAX: Final = 5.0
_RETRY_SECONDS_FIRST: Final = 0.05

# Failures of our surroundings; an event is not blamed for them.
_SURROUNDINGS = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE})

failpoints.register("consumer.before_handle", "consumer.before_commit", "consumer.after_commit")

_log = telemetry.logger(__name__)
_meter = telemetry.meter()
_handled = _meter.create_counter("callplane.consumer.events", description="Events handled, by consumer.")
_failures = _meter.create_counter(
    "callplane.consumer.failures", description="Batches and events whose handling failed."
)
_died = _meter.create_counter(
    "callplane.consumer.dead_events", description="Events given up after repeated failures."
)
_lag = _meter.create_histogram(
    "callplane.consumer.lag", unit="s", description="From an event's writing to its effect."
)


class _TakeSingly(Exception):
    """A batch failed; the stream is to be opened again with batches of one."""


class Consumer:
    """`name` is unique in `schema` and names the cursor; `pool` is the worker role's. `handle` writes through
    the connection it is given and does nothing else: no RPC, no HTTP, no commit. What must follow a commit is
    put into a table by the handler and done by a loop that `wake_after_commit` wakes. An empty `types` means
    all."""

    def __init__(
        self,
        *,
        name: str,
        source: str,
        peer: Peer,
        pool: Pool,
        schema: str,
        handle: Handle,
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
        self._handle = handle
        self._types = tuple(sorted(types))
        self._wake_after_commit = wake_after_commit
        self._lease = Lease(pool, schema=schema, name=f"consumer:{name}", ttl_seconds=lease_seconds)
        self._lease_seconds = lease_seconds
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
        does."""
        async with transaction(self._pool) as conn:
            subject = await dead_events.find_subject(
                conn, self._schema, consumer=self.name, event_id=event_id
            )
        if subject is not None:
            await self._revive(subject)
        return subject is not None

    async def discard(self, event_id: UUID) -> bool:
        """Gives a dead event up, then handles those that waited behind it. False if there is none."""
        async with transaction(self._pool) as conn:
            await cursors.lock(conn, self._schema, consumer=self.name)
            subject = await dead_events.find_subject(
                conn, self._schema, consumer=self.name, event_id=event_id
            )
            await dead_events.discard(conn, self._schema, consumer=self.name, event_id=event_id)
        if subject is not None:
            _log.warning("dead event discarded", consumer=self.name, event_id=str(event_id))
            await self._revive(subject)
        return subject is not None

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
                reason=_word(exc),
                exc_info=None if expected else exc,
            )
            self._failures += 1
            return False
        return True

    def _pause_seconds(self) -> float:
        if self._failures == 0:
            # Somebody else reads; look again while its lease lasts.
            return self._lease_seconds / 2
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
        if not batch.events:
            async with transaction(self._pool) as conn:
                await cursors.move(conn, self._schema, consumer=self.name, at=at, to=batch.cursor)
        elif len(batch.events) == 1:
            await self._take_single(batch.events[0], at=at, to=batch.cursor)
        else:
            await self._take_batch(batch.events, at=at, to=batch.cursor)
        self._single_events_left = max(0, self._single_events_left - 1)

    async def _take_batch(self, events: Sequence[events_pb2.Event], *, at: str, to: str) -> None:
        await self._count_attempt(at)
        try:
            await self._handle_and_move(events, at=at, to=to)
        except Exception as exc:
            await self._judge(exc, at=at)
            raise _TakeSingly from exc

    async def _take_single(self, event: events_pb2.Event, *, at: str, to: str) -> None:
        """Returns when the event is handled or dead."""
        error = "PROCESS_DIED"
        delay = _RETRY_SECONDS_FIRST
        while (attempts := await self._count_attempt(at)) <= ATTEMPTS_MAX:
            try:
                await self._handle_and_move([event], at=at, to=to)
                return
            except Exception as exc:  # noqa: BLE001  what cannot be handled is counted and set aside
                error = await self._judge(exc, at=at)
            if attempts < ATTEMPTS_MAX:
                await asyncio.sleep(delay * random.uniform(0.8, 1.2))
                delay *= 2
        await self._bury(event, attempts=attempts - 1, error=error, at=at, to=to)

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
        word = _word(exc)
        _log.error("event not handled", consumer=self.name, source=self._source, reason=word, exc_info=exc)
        return word

    async def _handle_and_move(self, events: Sequence[events_pb2.Event], *, at: str, to: str) -> None:
        async with transaction(self._pool) as conn:
            await cursors.move(conn, self._schema, consumer=self.name, at=at, to=to)
            # Read after the cursor is locked: a retry in between cannot let an event overtake.
            blocked = await dead_events.blocked_subjects(
                conn, self._schema, consumer=self.name, subjects={event.subject for event in events}
            )
            for event in events:
                if event.subject in blocked:
                    await self._set_aside(conn, event)
                else:
                    await self._handle_one(conn, event)
            await failpoints.hit("consumer.before_commit")
        await failpoints.hit("consumer.after_commit")
        self._committed(events)

    async def _handle_one(self, conn: Connection, event: events_pb2.Event) -> None:
        await failpoints.hit("consumer.before_handle")
        with (
            telemetry.bind(org_id=event.org_id),
            telemetry.span(
                f"process {event.type}",
                kind=telemetry.SpanKind.CONSUMER,
                traceparent=event.traceparent or None,
                attributes={
                    "messaging.system": "callplane",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": self._source,
                    "messaging.consumer.group.name": self.name,
                    "messaging.message.id": event.id,
                },
            ),
        ):
            await self._handle(conn, event)

    async def _set_aside(self, conn: Connection, event: events_pb2.Event) -> None:
        await dead_events.bury(
            conn, self._schema, consumer=self.name, event=event, attempts=0, error="WAITING", waiting=True
        )

    async def _bury(self, event: events_pb2.Event, *, attempts: int, error: str, at: str, to: str) -> None:
        async with transaction(self._pool) as conn:
            await cursors.move(conn, self._schema, consumer=self.name, at=at, to=to)
            await dead_events.bury(
                conn,
                self._schema,
                consumer=self.name,
                event=event,
                attempts=attempts,
                error=error,
                waiting=False,
            )
        _died.add(1, {"consumer": self.name})
        _log.error(
            "event is dead", consumer=self.name, event_id=event.id, event_type=event.type, reason=error
        )

    def _committed(self, events: Sequence[events_pb2.Event]) -> None:
        self._failures = 0
        labels = {"consumer": self.name}
        _handled.add(len(events), labels)
        now = time.time()
        for event in events:
            _lag.record(max(0.0, now - event.time.ToMilliseconds() / 1000), labels)
        if self._wake_after_commit is not None:
            self._wake_after_commit()

    async def _revive(self, subject: str) -> None:
        """Handles the dead events of a subject from the oldest on, each in its own transaction, until one
        fails."""
        while True:
            position: int | None = None
            try:
                async with transaction(self._pool) as conn:
                    await cursors.lock(conn, self._schema, consumer=self.name)
                    dead = await dead_events.find_first(
                        conn, self._schema, consumer=self.name, subject=subject
                    )
                    if dead is None:
                        return
                    position = dead.position
                    event = events_pb2.Event.FromString(dead.event)
                    await self._handle_one(conn, event)
                    await dead_events.delete(conn, self._schema, position=position)
            except Exception as exc:
                if position is not None:
                    async with transaction(self._pool) as conn:
                        await dead_events.record_failure(
                            conn, self._schema, position=position, error=_word(exc)
                        )
                raise
            self._committed([event])

    async def _release_lease(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._lease.release()
        except (ServiceError, TimeoutError):
            _log.info("lease not released", lease=self._lease.name)


def _word(exc: Exception) -> str:
    return exc.reason if isinstance(exc, ServiceError) else type(exc).__qualname__
