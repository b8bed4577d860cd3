"""The load generator, a process of its own: a Job as JSON on standard input, a Result on standard output.

Webhooks are written and signed before the clock starts. The open loop counts latency from the time a webhook
was due, not from when a connection was free for it, so a slow answer cannot hide the ones queued behind it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import uvloop

from deploy.bench.connection import Connection, request_bytes
from deploy.bench.figures import arrivals
from deploy.bench.webhooks import sizes, webhooks
from deploy.sandbox.moments import now
from deploy.sandbox.signatures import vapi_headers

ACKNOWLEDGED = 200
NO_ANSWER = 0
ANSWER_SECONDS_MAX = 10.0


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` None is the closed loop: every connection sends its next webhook when the last is answered.
    It ends after `seconds` or `count_max` webhooks, whichever is first."""

    host: str
    port: int
    path: str
    secret: str
    connections: int
    seconds: float
    count_max: int
    rate: float | None = None
    first_call: int = 0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds. `late` is by how much the open loop wrote webhooks after they were due."""

    began_at: float
    ended_at: float
    offered: int
    statuses: dict[int, int]
    latencies: list[float]
    late: list[float]
    sizes: dict[str, dict[str, int]]
    generator_cpu_seconds: float

    @property
    def acked(self) -> int:
        return self.statuses.get(ACKNOWLEDGED, 0)

    @property
    def refused(self) -> int:
        """Answered, but not with an acknowledgement."""
        return sum(self.statuses.values()) - self.acked - self.statuses.get(NO_ANSWER, 0)


@dataclass(slots=True)
class _Load:
    job: Job
    requests: list[bytes]
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    due: deque[tuple[float, bytes]] = field(default_factory=deque)
    wanted: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def closed(self) -> int:
        """Answers how many were sent."""
        requests = iter(self.requests)
        ends_at = time.monotonic() + self.job.seconds
        await asyncio.gather(*(self._closed_worker(requests, ends_at) for _ in range(self.job.connections)))
        return sum(self.statuses.values())

    async def open(self, rate: float) -> int:
        """Answers how many were due."""
        times = arrivals(rate=rate, seconds=self.job.seconds)[: len(self.requests)]
        workers = [asyncio.create_task(self._open_worker()) for _ in range(self.job.connections)]
        began = time.monotonic()
        for after, request in zip(times, self.requests, strict=False):
            left = began + after - time.monotonic()
            if left > 0:
                await asyncio.sleep(left)
            self.due.append((began + after, request))
            self.wanted.release()
        await self._all_answered(len(times))
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return len(times)

    async def _all_answered(self, count: int) -> None:
        ends_at = time.monotonic() + ANSWER_SECONDS_MAX
        while sum(self.statuses.values()) < count and time.monotonic() < ends_at:
            await asyncio.sleep(0.005)

    async def _closed_worker(self, requests: Iterator[bytes], ends_at: float) -> None:
        connection = await self._connected()
        while time.monotonic() < ends_at and (request := next(requests, None)) is not None:
            connection = await self._post(connection, request, since=time.monotonic())
        connection.close()

    async def _open_worker(self) -> None:
        connection = await self._connected()
        try:
            while True:
                await self.wanted.acquire()
                due_at, request = self.due.popleft()
                self.late.append(time.monotonic() - due_at)
                connection = await self._post(connection, request, since=due_at)
        finally:
            connection.close()

    async def _post(self, connection: Connection, request: bytes, *, since: float) -> Connection:
        """Answers the connection to go on with."""
        try:
            if not connection.usable:
                connection = await self._connected()
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                status = await connection.post(request)
        except OSError:
            # A refused connection, a broken one, or none in time (TimeoutError is an OSError too).
            connection.close()
            status = NO_ANSWER
        self.statuses[status] += 1
        if status == ACKNOWLEDGED:
            self.latencies.append(time.monotonic() - since)
        return connection

    async def _connected(self) -> Connection:
        event_loop = asyncio.get_running_loop()
        _, connection = await event_loop.create_connection(Connection, self.job.host, self.job.port)
        return connection


async def run(job: Job) -> Result:
    count = job.count_max if job.rate is None else min(job.count_max, int(job.rate * job.seconds))
    sent = webhooks(first_call=job.first_call, count=count)
    load = _Load(job, [_request(job, webhook.body) for webhook in sent])
    cpu_before, began_at = time.process_time(), time.time()
    offered = await (load.closed() if job.rate is None else load.open(job.rate))
    return Result(
        began_at=began_at,
        ended_at=time.time(),
        offered=offered,
        statuses=dict(load.statuses),
        latencies=load.latencies,
        late=load.late,
        sizes=sizes(sent[:offered]),
        generator_cpu_seconds=time.process_time() - cpu_before,
    )


def _request(job: Job, body: bytes) -> bytes:
    headers = vapi_headers("HMAC_BODY", secret=job.secret, body=body, at=now())
    return request_bytes(job.path, host=f"{job.host}:{job.port}", headers=headers, body=body)


if __name__ == "__main__":
    outcome = uvloop.run(run(msgspec.json.decode(sys.stdin.buffer.read(), type=Job)))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
    sys.stdout.flush()
    # Nothing is left to do, and freeing a hundred thousand bodies one by one takes a while.
    os._exit(0)
