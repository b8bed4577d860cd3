"""Telling what happened: to the other services by the log, and to customers by their endpoints."""

from collections.abc import Sequence
from datetime import UTC, datetime

from libs import outbox
from libs.outbox import NewEvent
from libs.pg import Connection
from libs.telemetry import current_traceparent
from services.notify.domain.webhooks import PublicEvent
from services.notify.events import own_public_event
from services.notify.store import deliveries


async def publish(conn: Connection, events: Sequence[NewEvent]) -> None:
    """Events of our own, in the transaction that makes them true."""
    await outbox.append(conn, "notify", events)
    now = datetime.now(UTC)
    for event in events:
        public = own_public_event(event, time=now)
        if public is not None:
            await fan_out(conn, public)


async def fan_out(conn: Connection, event: PublicEvent) -> int:
    """Queues an event for every endpoint that wants it; a repeat queues nothing."""
    return await deliveries.insert_for_subscribers(conn, event=event, traceparent=current_traceparent())
