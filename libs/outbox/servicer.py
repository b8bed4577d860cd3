"""Serves a service's own log to its peers."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from typing import Any, Final

import grpc.aio
from google.protobuf import any_pb2

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs.outbox.log import Page, StoredEvent, channel, read_after
from libs.pg.transactions import Pool, autocommit
from libs.pg.wakeup import Wakeup

_BATCH_DEFAULT: Final = 100
# Commits of the same instant travel together.
_GATHER_SECONDS: Final = 0.005
# What is committed stays unreadable for a moment, until every older transaction has ended.
_SOON_SECONDS_MIN: Final = 0.01
_SOON_SECONDS_MAX: Final = 0.1
_POLL_SECONDS_MAX: Final = 1.0
# A reader is told this often how far it is where nothing is for it: each time it writes that down.
_PASSED_OVER_SECONDS: Final = 1.0


class EventServicer(events_pb2_grpc.EventServiceServicer):
    """`pool` is the worker role's: a peer reads the events of all organizations. `run()` has to run beside
    the server for readers to be woken at once; it takes one connection. Without it they poll."""

    def __init__(self, pool: Pool, *, schema: str) -> None:
        self._pool = pool
        self._schema = schema
        self._wakeup = Wakeup(pool, channel=channel(schema))

    async def run(self) -> None:
        await self._wakeup.run()

    async def Subscribe(
        self, request: events_pb2.SubscribeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[events_pb2.SubscribeResponse]:
        limit, types, cursor = request.batch_max or _BATCH_DEFAULT, frozenset(request.types), request.after
        soon_seconds = _SOON_SECONDS_MIN
        told, told_at = cursor, time.monotonic()
        woken = self._wakeup.watch()
        try:
            while True:
                page = await self._read(cursor, limit, types)
                moved, cursor = page.cursor != cursor, page.cursor
                if (
                    page.events
                    or page.missed
                    or (cursor != told and time.monotonic() - told_at > _PASSED_OVER_SECONDS)
                ):
                    yield _response(page, source=self._schema)
                    told, told_at = cursor, time.monotonic()
                if moved:
                    soon_seconds = _SOON_SECONDS_MIN
                elif page.more_soon:
                    await asyncio.sleep(soon_seconds)
                    soon_seconds = min(soon_seconds * 2, _SOON_SECONDS_MAX)
                elif await self._wakeup.wait(woken, seconds_max=_POLL_SECONDS_MAX):
                    await asyncio.sleep(_GATHER_SECONDS)
        finally:
            self._wakeup.unwatch(woken)

    async def _read(self, cursor: str, limit: int, types: Collection[str]) -> Page:
        async with autocommit(self._pool) as conn:
            return await read_after(conn, self._schema, cursor, limit, types=types)


def _response(page: Page, *, source: str) -> events_pb2.SubscribeResponse:
    events = [_to_proto(event, source=source) for event in page.events]
    return events_pb2.SubscribeResponse(events=events, cursor=page.cursor, missed=page.missed)


def _to_proto(event: StoredEvent, *, source: str) -> events_pb2.Event:
    message = events_pb2.Event(
        id=str(event.id),
        source=source,
        type=event.type,
        subject=event.subject,
        org_id=str(event.org_id),
        traceparent=event.traceparent,
        data=any_pb2.Any.FromString(event.data),
    )
    message.time.FromDatetime(event.time)
    return message
