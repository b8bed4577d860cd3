"""LISTEN, as a way to be woken early. A notification carries nothing and may be missed; whoever waits also
polls."""

import asyncio
import random
from typing import Any

import asyncpg

from libs import telemetry
from libs.cancellation import raise_if_cancelled
from libs.pg.identifiers import checked
from libs.pg.transactions import Connection, Pool

_log = telemetry.logger(__name__)

_CHECK_SECONDS = 20.0
_RETRY_SECONDS_MAX = 5.0


class Wakeup:
    """Wakes everyone who waits whenever `channel` is notified. Holds one connection of the pool while `run()`
    runs; without it, waiting only polls."""

    def __init__(self, pool: Pool, *, channel: str) -> None:
        self._pool = pool
        self._channel = checked(channel)
        self._waiting: set[asyncio.Event] = set()
        self.listening = asyncio.Event()

    async def wait(self, event: asyncio.Event, *, seconds_max: float) -> bool:
        """Waits for `event` (from `watch`) and clears it. False if the time was over first."""
        try:
            async with asyncio.timeout(seconds_max):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    def watch(self) -> asyncio.Event:
        """Take it before looking for work: a notification between the look and the wait is then not
        missed."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        self._waiting.discard(event)

    async def run(self) -> None:
        """Listens until cancelled; connects again with growing pauses."""
        delay = 0.1
        while True:
            try:
                await self._listen()
                delay = 0.1
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
                raise_if_cancelled()
                kind = type(exc).__qualname__
                _log.warning("listening interrupted", channel=self._channel, exception_type=kind)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, _RETRY_SECONDS_MAX)

    async def _listen(self) -> None:
        async with self._pool.acquire(timeout=5.0) as connection:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(self._channel, self._notified)
            self.listening.set()
            self._wake_all()
            try:
                await self._until(lost, connection)
            finally:
                self.listening.clear()
                if not lost.is_set():
                    await connection.remove_listener(self._channel, self._notified)

    async def _until(self, lost: asyncio.Event, connection: Connection) -> None:
        while not lost.is_set():
            try:
                async with asyncio.timeout(_CHECK_SECONDS):
                    await lost.wait()
            except TimeoutError:
                # A peer that vanished without a word is noticed only by talking to it.
                await connection.execute("SELECT 1")

    def _notified(self, _connection: Any, _pid: int, _channel: str, _payload: object) -> None:
        self._wake_all()

    def _wake_all(self) -> None:
        for event in self._waiting:
            event.set()
