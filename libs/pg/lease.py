"""Leases: at most one holder of a name at a time, by the database's clock.

Every service's first migration creates the table and grants SELECT, INSERT, UPDATE, DELETE on it to its
worker role:

    CREATE TABLE <schema>.leases (
        name       text        NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
        holder     uuid        NOT NULL,
        expires_at timestamptz NOT NULL
    );

A holder that stands still for longer than its lease may wake up beside a new holder. A lease therefore saves
work; what must not happen twice is guarded where it is written (a cursor that moves from a known place, SKIP
LOCKED, a key).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from libs import telemetry
from libs.errors import ServiceError
from libs.pg.identifiers import checked
from libs.pg.transactions import Pool, transaction

_log = telemetry.logger(__name__)


class LeaseLost(Exception):
    """The lease could not be renewed in time; another process may hold it now."""


class Lease:
    def __init__(self, pool: Pool, *, schema: str, name: str, ttl_seconds: float) -> None:
        self.name = name
        self.ttl_seconds = ttl_seconds
        self._pool = pool
        self._table = f"{checked(schema)}.leases"
        self._holder = uuid4()
        # By the monotonic clock, and reckoned from before the database was asked.
        self._held_until = 0.0

    async def hold(self) -> bool:
        """As `acquire`, but asks the database only once a third of a lease we have is over."""
        return time.monotonic() < self._held_until - self.ttl_seconds * 2 / 3 or await self.acquire()

    async def acquire(self) -> bool:
        """Takes a free or expired lease, or renews our own. False while somebody else holds it."""
        asked_at = time.monotonic()
        async with transaction(self._pool) as conn:
            held: bool | None = await conn.fetchval(
                # The table's schema is the only part that varies, and a checked identifier.
                f"""
                INSERT INTO {self._table} AS lease (name, holder, expires_at)
                VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
                    ON CONFLICT (name) DO UPDATE
                   SET holder = excluded.holder, expires_at = excluded.expires_at
                 WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp()
                RETURNING true
                """,
                self.name,
                self._holder,
                self.ttl_seconds,
            )
        self._held_until = asked_at + self.ttl_seconds if held else 0.0
        return held or False

    async def release(self) -> None:
        """Lets the next holder in at once; harmless if we do not hold it."""
        self._held_until = 0.0
        async with transaction(self._pool) as conn:
            await conn.execute(
                f"DELETE FROM {self._table} WHERE name = $1 AND holder = $2", self.name, self._holder
            )

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renews a lease that we have while the block runs. If that fails for as long as the lease lasts,
        the block is cancelled and LeaseLost raised."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a lease is kept by a task")
        lost = False

        def stop_block() -> None:
            nonlocal lost
            lost = True
            task.cancel()

        keeper = asyncio.create_task(self._keep(stop_block), name=f"lease {self.name}")
        try:
            yield
        except asyncio.CancelledError:
            if lost and task.uncancel() == 0:
                raise LeaseLost(self.name) from None
            raise
        finally:
            keeper.cancel()

    async def _keep(self, stop_block: Callable[[], None]) -> None:
        expires_at = self._held_until
        while True:
            await asyncio.sleep(self.ttl_seconds / 3)
            if time.monotonic() < expires_at and await self._renewed():
                expires_at = self._held_until
            elif time.monotonic() + self.ttl_seconds / 6 >= expires_at:
                _log.warning("lease lost", lease=self.name)
                stop_block()
                return

    async def _renewed(self) -> bool:
        try:
            return await self.acquire()
        except ServiceError:
            return False
