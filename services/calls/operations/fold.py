"""The fold: ledger entries become the record of calls.

    lock the cursor -> read a batch -> apply it (see `record`) -> move the cursor -- one transaction

A batch that fails for a reason of its own is applied entry by entry; the one that fails alone stays in the
ledger as unparsed, and the fold goes on. Applying is idempotent, so a replay needs nothing but the entries.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from libs import failpoints, telemetry
from libs.errors import Kind, ServiceError
from libs.pg import Connection, Pool, transaction
from services.calls.domain.webhooks import LedgerEntry
from services.calls.operations.record import Record
from services.calls.store import foldings, ledger

# The more entries are applied at once, the fewer times the row of a call is written.
BATCH_MAX: Final = 1000
_SINGLE_ENTRIES_MAX: Final = 200
_MONTHS_AHEAD: Final = 3

failpoints.register("calls.after_claim", "calls.before_commit", "calls.after_commit")

_log = telemetry.logger(__name__)
_unparsed = telemetry.meter().create_counter(
    "callplane.webhooks.unparsed", description="Webhooks that did not become part of the record, by reason."
)

# Failures of our surroundings; no entry is blamed for them.
_SURROUNDINGS: Final = frozenset({Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.LOST_RACE})


class Fold:
    """`pool` is the worker role's: it sees every organization."""

    def __init__(self, pool: Pool, record: Record) -> None:
        self._pool = pool
        self._record = record
        # Of the last step: how old the youngest entry it read was; whether it found none it could read, but
        # some that will be readable soon; and, if there was more than it took, where the ledger ended.
        self.behind_seconds = 0.0
        self.more_soon = False
        self.newest_position: int | None = None

    async def step(self) -> int:
        """Applies the next batch and returns how many entries it held."""
        try:
            return await self._step(singly=False)
        except ServiceError as exc:
            if exc.kind in _SURROUNDINGS:
                raise
            _log.error("batch failed, taking its entries one by one", reason=exc.reason)
        except Exception as exc:  # noqa: BLE001  whatever it was, it must not stop the fold
            _log.error(
                "batch failed, taking its entries one by one",
                exception_type=type(exc).__qualname__,
                exc_info=exc,
            )
        return await self._step(singly=True)

    async def create_partitions(self) -> int:
        """Always 0: there is no need to come back at once."""
        async with transaction(self._pool) as conn:
            created = await foldings.create_partitions(conn, months_ahead=_MONTHS_AHEAD)
        if created:
            _log.info("partitions created", count=created)
        return 0

    async def _step(self, *, singly: bool) -> int:
        limit = _SINGLE_ENTRIES_MAX if singly else BATCH_MAX
        async with transaction(self._pool) as conn:
            place, now = await foldings.lock_place(conn)
            replays = await foldings.take_replays(conn, limit=limit)
            entries = await ledger.read_many(conn, replays) if replays else []
            fresh, end = await ledger.read_after(conn, place, limit=limit)
            self.behind_seconds = (now - fresh[-1].received_at).total_seconds() if fresh else 0.0
            entries = [*entries, *fresh]
            self.newest_position = await ledger.newest_position(conn) if len(fresh) == limit else None
            self.more_soon = not entries and await ledger.any_after(conn, place)
            if not entries:
                return 0
            await failpoints.hit("calls.after_claim")
            apply = self._apply_singly if singly else self._record.apply
            unparsed = await apply(conn, entries, now=now)
            if fresh:
                await foldings.move(conn, end)
            await failpoints.hit("calls.before_commit")
        await failpoints.hit("calls.after_commit")
        for reason in unparsed:
            _unparsed.add(1, {"reason": reason})
        return len(entries)

    async def _apply_singly(
        self, conn: Connection, entries: Sequence[LedgerEntry], *, now: datetime
    ) -> list[str]:
        """Each in a savepoint of its own. Returns the reasons of those that were left out."""
        reasons: list[str] = []
        for entry in entries:
            try:
                async with conn.transaction():
                    reasons += await self._record.apply(conn, [entry], now=now)
            except _DATABASE_TROUBLE:
                raise
            except Exception as exc:  # noqa: BLE001  this entry is the one
                _log.error("webhook cannot be applied", provider_event_id=str(entry.id), exc_info=exc)
                await foldings.mark_unparsed(conn, [(entry, _NOT_APPLICABLE)])
                reasons.append(_NOT_APPLICABLE)
        return reasons


_NOT_APPLICABLE: Final = "NOT_APPLICABLE"
_DATABASE_TROUBLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    ConnectionError,
)
