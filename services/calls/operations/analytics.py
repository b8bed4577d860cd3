"""Figures of calls: refreshed on a schedule, read by each organization for itself."""

import time
from datetime import datetime
from typing import Final
from uuid import UUID

from libs.pg import Pool, transaction
from services.calls.domain.analytics import CallAnalytics
from services.calls.store import analytics

_REST: Final = 20


class Analytics:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(
        self,
        org_id: UUID,
        *,
        since: datetime | None,
        until: datetime | None,
        direction: str | None,
        assistant_id: str | None,
    ) -> CallAnalytics:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await analytics.read(
                conn, since=since, until=until, direction=direction, assistant_id=assistant_id
            )


class FigureRefresh:
    """`pool` is the worker role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rest_until = 0.0

    async def step(self) -> int:
        """Counts in a transaction that only reads, because readers of logs wait for each that writes; then
        writes the few rows that came of it. Counting takes a twentieth of the time at most, however much
        there is to count. Always 0: there is no need to come back at once."""
        started = time.monotonic()
        if started < self._rest_until:
            return 0
        async with transaction(self._pool) as conn:
            await analytics.allow_long_counts(conn)
            calls = await analytics.count_calls(conn)
            events = await analytics.count_events(conn)
        async with transaction(self._pool) as conn:
            await analytics.replace_counts(conn, calls=calls, events=events)
        self._rest_until = started + _REST * (time.monotonic() - started)
        return 0
