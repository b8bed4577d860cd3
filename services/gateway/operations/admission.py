"""Whether a request with an API key may come in, and how often keys were used.

Keys are looked up at most every 30 seconds. Requests are counted in memory and written in batches, so a
process that is killed forgets the last few seconds of counting; a limit is never counted down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from libs.pg import Pool, transaction
from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, Limit, Usage
from services.gateway.errors import KeyLimitExceeded, KeyRefused
from services.gateway.operations.cache import Cache
from services.gateway.store import api_keys as store
from services.gateway.store import usage as usage_store

_TTL_SECONDS: Final = 30.0
_KEYS_MAX: Final = 20_000
_BATCH_MAX: Final = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Counter:
    """Requests of a key: what is written, what is being written, and what is not yet."""

    org_id: UUID
    written: Usage
    flying: int = 0
    pending: int = 0

    def usage(self, hour: datetime) -> Usage:
        unwritten = self.flying + self.pending
        in_hour = self.written.in_hour if self.written.hour == hour else 0
        return Usage(total=self.written.total + unwritten, hour=hour, in_hour=in_hour + unwritten)


class Admission:
    """`hourly` off leaves the hourly rates out; quotas always count."""

    def __init__(self, worker_pool: Pool, *, hourly: bool, now: Callable[[], datetime] = _utc_now) -> None:
        self._pool = worker_pool
        self._hourly = hourly
        self._now = now
        self._keys: Cache[bytes, ApiKey] = Cache(self._load, ttl_seconds=_TTL_SECONDS, size_max=_KEYS_MAX)
        self._counters: dict[UUID, _Counter] = {}

    async def admit(self, text: str) -> ApiKey:
        """Counts one request. Raises KeyRefused, without saying what is wrong with the key, or
        KeyLimitExceeded."""
        if not api_keys.is_well_formed(text):
            raise KeyRefused
        key = await self._keys.get(api_keys.digest(text))
        now = self._now()
        if key is None or not api_keys.is_live(key, now=now):
            raise KeyRefused
        self._count(key, now)
        return key

    def clear(self) -> None:
        self._keys.clear()

    async def flush(self) -> int:
        """Writes counted requests; answers of how many keys. What cannot be written is counted on."""
        waiting = {key_id: counter for key_id, counter in self._counters.items() if counter.pending}
        batch = dict(list(waiting.items())[:_BATCH_MAX])
        if not batch:
            return 0
        for counter in batch.values():
            counter.flying, counter.pending = counter.pending, 0
        try:
            await self._write(batch)
        except BaseException:
            for counter in batch.values():
                counter.pending += counter.flying
            raise
        finally:
            for counter in batch.values():
                counter.flying = 0
        return len(batch)

    def _count(self, key: ApiKey, now: datetime) -> None:
        counter = self._counters[key.id]
        hour = api_keys.hour_of(now)
        limit = api_keys.limit_reached(key, counter.usage(hour), now=now, hourly=self._hourly)
        if limit is Limit.QUOTA:
            raise KeyLimitExceeded(metadata={"limit": limit.value})
        if limit is Limit.HOURLY_RATE:
            left = hour + timedelta(hours=1) - now
            raise KeyLimitExceeded(metadata={"limit": limit.value}, retry_after_seconds=left.total_seconds())
        counter.pending += 1

    async def _load(self, digest: bytes) -> ApiKey | None:
        async with transaction(self._pool) as conn:
            key = await store.find_by_digest(conn, digest)
            if key is None:
                return None
            usage = await usage_store.get(conn, key.id, hour=api_keys.hour_of(self._now()))
        counter = self._counters.setdefault(key.id, _Counter(org_id=key.org_id, written=usage))
        if not counter.flying:
            counter.written = usage
        return key

    async def _write(self, batch: dict[UUID, _Counter]) -> None:
        now = self._now()
        counts = [(key_id, counter.org_id, counter.flying) for key_id, counter in batch.items()]
        async with transaction(self._pool) as conn:
            written = await usage_store.add(conn, counts, hour=api_keys.hour_of(now), now=now)
        for key_id, usage in written.items():
            batch[key_id].written = usage
