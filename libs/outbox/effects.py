"""What a consumer does with events, each time in one transaction with the place that says so."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias
from uuid import UUID

from callplane.events.v1 import events_pb2
from libs import failpoints, telemetry
from libs.cancellation import raise_if_cancelled
from libs.errors import ServiceError
from libs.outbox import cursors, dead_events
from libs.pg.transactions import Connection, Pool, transaction

Handle: TypeAlias = Callable[[Connection, events_pb2.Event], Awaitable[None]]
# Of a batch, those events that have an effect at all, in their order.
Choose: TypeAlias = Callable[[Connection, Sequence[events_pb2.Event]], Awaitable[Sequence[events_pb2.Event]]]

failpoints.register("consumer.before_handle", "consumer.before_commit", "consumer.after_commit")

_log = telemetry.logger(__name__)
_meter = telemetry.meter()
_handled = _meter.create_counter("callplane.consumer.events", description="Events handled, by consumer.")
_died = _meter.create_counter(
    "callplane.consumer.dead_events", description="Events given up after repeated failures."
)
_lag = _meter.create_histogram(
    "callplane.consumer.lag", unit="s", description="From an event's writing to its effect."
)


def word_for(exc: Exception) -> str:
    """How a failure is named where its text must not go."""
    return exc.reason if isinstance(exc, ServiceError) else type(exc).__qualname__


class Effects:
    """Of the events that consumer `name` reads from `source`."""

    def __init__(
        self,
        pool: Pool,
        *,
        schema: str,
        name: str,
        source: str,
        handle: Handle,
        choose: Choose | None = None,
    ) -> None:
        self._pool = pool
        self._schema = schema
        self._name = name
        self._source = source
        self._handle = handle
        self._choose = choose

    async def apply(self, events: Sequence[events_pb2.Event], *, at: str, to: str) -> None:
        """Handles all of them and moves the cursor, or does nothing. Events of a subject that has a dead one
        are set aside behind it."""
        async with transaction(self._pool) as conn:
            await cursors.move(conn, self._schema, consumer=self._name, at=at, to=to)
            chosen = await self._choose(conn, events) if self._choose is not None else events
            await self._handle_all(conn, chosen)
            if len(chosen) < len(events):
                await self._pass_over(len(events) - len(chosen))
            await failpoints.hit("consumer.before_commit")
        await failpoints.hit("consumer.after_commit")
        self._record(events)

    async def _handle_all(self, conn: Connection, events: Sequence[events_pb2.Event]) -> None:
        if not events:
            return
        # Read after the cursor is locked: a retry in between cannot let an event overtake.
        blocked = await dead_events.blocked_subjects(
            conn, self._schema, consumer=self._name, subjects={event.subject for event in events}
        )
        for event in events:
            if event.subject in blocked:
                await self._set_aside(conn, event)
            else:
                await self._handle_one(conn, event)

    async def _pass_over(self, count: int) -> None:
        for _ in range(count):
            await failpoints.hit("consumer.before_handle")

    async def skip(self, *, at: str, to: str) -> None:
        """Moves the cursor past events that are not for us."""
        async with transaction(self._pool) as conn:
            await cursors.move(conn, self._schema, consumer=self._name, at=at, to=to)

    async def bury(self, event: events_pb2.Event, *, attempts: int, error: str, at: str, to: str) -> None:
        """Gives an event up and moves the cursor past it."""
        async with transaction(self._pool) as conn:
            await cursors.move(conn, self._schema, consumer=self._name, at=at, to=to)
            await dead_events.bury(
                conn,
                self._schema,
                consumer=self._name,
                event=event,
                attempts=attempts,
                error=error,
                waiting=False,
            )
        _died.add(1, {"consumer": self._name})
        _log.error(
            "event is dead", consumer=self._name, event_id=event.id, event_type=event.type, reason=error
        )

    async def retry(self, event_id: UUID) -> bool:
        """Handles a dead event and those that wait behind it. False if there is none; raises what the handler
        raises."""
        async with transaction(self._pool) as conn:
            subject = await dead_events.find_subject(
                conn, self._schema, consumer=self._name, event_id=event_id
            )
        if subject is not None:
            await self._revive(subject)
        return subject is not None

    async def discard(self, event_id: UUID) -> bool:
        """Gives a dead event up for good and handles those that waited behind it. False if there is none."""
        async with transaction(self._pool) as conn:
            await cursors.lock(conn, self._schema, consumer=self._name)
            subject = await dead_events.find_subject(
                conn, self._schema, consumer=self._name, event_id=event_id
            )
            await dead_events.discard(conn, self._schema, consumer=self._name, event_id=event_id)
        if subject is None:
            return False
        _log.warning("dead event discarded", consumer=self._name, event_id=str(event_id))
        try:
            await self._revive(subject)
        except Exception as exc:  # noqa: BLE001  discarded it is; the next of its subject is the dead one now
            raise_if_cancelled()
            _log.error("event not handled", consumer=self._name, reason=word_for(exc), exc_info=exc)
        return True

    async def _revive(self, subject: str) -> None:
        """Handles the dead events of a subject from the oldest on, until none is left or one fails."""
        while (event := await self._revive_first(subject)) is not None:
            self._record([event])

    async def _revive_first(self, subject: str) -> events_pb2.Event | None:
        position = None
        try:
            async with transaction(self._pool) as conn:
                await cursors.lock(conn, self._schema, consumer=self._name)
                dead = await dead_events.find_first(conn, self._schema, consumer=self._name, subject=subject)
                if dead is None:
                    return None
                position = dead.position
                event = events_pb2.Event.FromString(dead.event)
                await self._handle_one(conn, event)
                await dead_events.delete(conn, self._schema, position=position)
                return event
        except Exception as exc:
            if position is not None:
                async with transaction(self._pool) as conn:
                    await dead_events.record_failure(
                        conn, self._schema, position=position, error=word_for(exc)
                    )
            raise

    async def _handle_one(self, conn: Connection, event: events_pb2.Event) -> None:
        await failpoints.hit("consumer.before_handle")
        attributes = {
            "messaging.system": "callplane",
            "messaging.operation.type": "process",
            "messaging.destination.name": self._source,
            "messaging.consumer.group.name": self._name,
            "messaging.message.id": event.id,
        }
        span = telemetry.span(
            f"process {event.type}",
            kind=telemetry.SpanKind.CONSUMER,
            traceparent=event.traceparent or None,
            attributes=attributes,
        )
        with telemetry.bind(org_id=event.org_id), span:
            await self._handle(conn, event)

    async def _set_aside(self, conn: Connection, event: events_pb2.Event) -> None:
        await dead_events.bury(
            conn, self._schema, consumer=self._name, event=event, attempts=0, error="WAITING", waiting=True
        )

    def _record(self, events: Sequence[events_pb2.Event]) -> None:
        labels = {"consumer": self._name}
        _handled.add(len(events), labels)
        now = time.time()
        for event in events:
            _lag.record(max(0.0, now - event.time.ToMilliseconds() / 1000), labels)
