"""Connections to one door, and the webhooks that are offered over them.

Closed loop: each connection sends its next webhook when the last one is answered. Open loop: webhooks are due
at a rate, whether or not earlier ones are answered. Latency runs from when a webhook was due, so a slow
answer cannot hide the ones behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field

from deploy.bench.connection import NO_ANSWER, Connection

ACKNOWLEDGED = 200
ANSWER_SECONDS_MAX = 10.0
_CONNECTED_AT_ONCE = 100
_RECONNECT_SECONDS = 0.05
_WATCH_SECONDS = 0.25
_TICK_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class Item:
    """A finished request, and what its body is recognized by in the ledger."""

    request: bytes
    mark: bytes


@dataclass(slots=True)
class Tally:
    """What became of the webhooks of one stretch of time. `unsent` found no connection free; `wrong` were
    answered with 200 but not with what was asked for, and do not count among `acked`. Times are in
    seconds."""

    offered: int = 0
    unsent: int = 0
    wrong: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    refusal_latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    acked: list[bytes] = field(default_factory=list)

    @property
    def pending(self) -> int:
        return self.offered - self.unsent - sum(self.statuses.values())

    def settle(self, item: Item, status: int, seconds: float, *, understood: bool) -> None:
        self.statuses[status] += 1
        if status == ACKNOWLEDGED:
            self.latencies.append(seconds)
            if understood:
                self.acked.append(item.mark)
            else:
                self.wrong += 1
        elif status != NO_ANSWER:
            self.refusal_latencies.append(seconds)


class Lane:
    """`understood` looks into the answers where an acknowledgement alone says little. Webhooks that are
    refused go back into the stock: a provider sends them again."""

    def __init__(
        self,
        stock: Iterator[Item],
        *,
        host: str,
        port: int,
        connections: int,
        understood: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.reconnects = 0
        self._stock = stock
        self._refused: deque[Item] = deque()
        self._where = (host, port)
        self._count = connections
        self._understood = understood
        self._connections: set[Connection] = set()
        self._free: deque[Connection] = deque()
        self._asked: dict[Connection, tuple[Item, float, Tally]] = {}
        self._waiting: deque[tuple[float, Tally]] = deque()
        self._closed: tuple[Tally, float] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    async def connect(self) -> None:
        for begin in range(0, self._count, _CONNECTED_AT_ONCE):
            count = min(_CONNECTED_AT_ONCE, self._count - begin)
            self._free.extend(await asyncio.gather(*(self._connected() for _ in range(count))))
        self._keep(self._watch())

    async def disconnect(self) -> None:
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._connections):
            connection.abort()

    async def closed(self, *, seconds: float) -> Tally:
        """Ends when the last one is answered."""
        tally = Tally()
        self._closed = (tally, time.monotonic() + seconds)
        for _ in range(len(self._free)):
            self._go_on(self._free.popleft())
        await asyncio.sleep(seconds)
        self._closed = None
        await self.all_settled(tally)
        return tally

    async def open(self, tally: Tally, *, rate: float, seconds: float, queued: bool = True) -> None:
        """Ends when the last one is due. If not `queued`, a webhook that finds no connection free when it is
        due is never sent."""
        began, total, issued = time.monotonic(), int(rate * seconds), 0
        while issued < total:
            due = min(total, int((time.monotonic() - began) * rate) + 1)
            self._offer(tally, [began + number / rate for number in range(issued, due)], queued=queued)
            issued = due
            await asyncio.sleep(max(_TICK_SECONDS, began + issued / rate - time.monotonic()))

    async def all_settled(self, tally: Tally) -> None:
        """Waits for answers, at most as long as any may take; what waits for a connection then is unsent."""
        ends_at = time.monotonic() + ANSWER_SECONDS_MAX + 1
        while tally.pending and time.monotonic() < ends_at:
            await asyncio.sleep(0.005)
        tally.unsent += sum(1 for _, whose in self._waiting if whose is tally)
        self._waiting = deque(one for one in self._waiting if one[1] is not tally)

    def _offer(self, tally: Tally, due: list[float], *, queued: bool) -> None:
        tally.offered += len(due)
        for number, due_at in enumerate(due):
            connection = self._free_connection()
            if connection is not None:
                self._send(connection, due_at, tally)
            elif queued:
                self._waiting.append((due_at, tally))
            else:
                tally.unsent += len(due) - number
                return

    def _free_connection(self) -> Connection | None:
        while self._free:
            connection = self._free.popleft()
            if connection.usable:
                return connection
        return None

    def _send(self, connection: Connection, due_at: float, tally: Tally) -> None:
        item = self._refused.popleft() if self._refused else next(self._stock)
        now = time.monotonic()
        tally.late.append(now - due_at)
        self._asked[connection] = (item, due_at, tally)
        connection.post(item.request, at=now)

    def _settled(self, connection: Connection, status: int) -> None:
        item, since, tally = self._asked.pop(connection)
        understood = self._understood is None or (
            status == ACKNOWLEDGED and self._understood(connection.received)
        )
        tally.settle(item, status, time.monotonic() - since, understood=understood)
        if status not in (ACKNOWLEDGED, NO_ANSWER):
            self._refused.append(item)
        if connection.usable:
            self._go_on(connection)
        elif status == NO_ANSWER:
            self._replace(connection)

    def _go_on(self, connection: Connection) -> None:
        now = time.monotonic()
        if self._closed is not None and now < self._closed[1]:
            self._closed[0].offered += 1
            self._send(connection, now, self._closed[0])
        elif self._waiting:
            self._send(connection, *self._waiting.popleft())
        else:
            self._free.append(connection)

    def _replace(self, connection: Connection) -> None:
        """Somebody closed it."""
        self._connections.discard(connection)
        if not self._over:
            self._keep(self._reconnect())

    async def _reconnect(self) -> None:
        self.reconnects += 1
        while True:
            try:
                connection = await self._connected()
                break
            except OSError:
                await asyncio.sleep(_RECONNECT_SECONDS)
        self._go_on(connection)

    async def _connected(self) -> Connection:
        event_loop = asyncio.get_running_loop()
        _, connection = await event_loop.create_connection(
            lambda: Connection(settled=self._settled, lost=self._replace), *self._where
        )
        self._connections.add(connection)
        return connection

    async def _watch(self) -> None:
        """Gives up what is not answered in time."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            too_old = time.monotonic() - ANSWER_SECONDS_MAX
            for connection in list(self._asked):
                if connection.since < too_old:
                    connection.abort()

    def _keep(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
