"""Look-ups kept in memory for a few seconds, also those that found nothing."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from libs.errors import Kind, ServiceError
from libs.pg import DatabaseUnavailable

K = TypeVar("K")
V = TypeVar("V")

# While look-ups fail, an old answer is good for so long before the next try.
_RETRY_SECONDS: Final = 1.0
# A database that stands still says neither yes nor no; whoever waits has a deadline of their own.
_PATIENCE_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | None
    fresh_until: float
    usable_until: float


class Cache(Generic[K, V]):
    """Asks `load` once per key and `ttl_seconds`, however many wait for the answer. `stale_seconds` is for
    how long after that an old answer serves while `load` says UNAVAILABLE or takes longer than
    `patience_seconds`; 0 lets the error through."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        *,
        ttl_seconds: float,
        size_max: int,
        stale_seconds: float = 0.0,
        patience_seconds: float = _PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._ttl_seconds = ttl_seconds
        self._size_max = size_max
        self._stale_seconds = stale_seconds
        self._patience_seconds = patience_seconds
        self._monotonic = monotonic
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V | None]] = {}
        self._generation = 0

    async def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is not None and self._monotonic() < entry.fresh_until:
            return entry.value
        loading = self._loading.get(key)
        if loading is None:
            loading = asyncio.create_task(self._loaded(key))
            self._loading[key] = loading
            loading.add_done_callback(lambda done: self._settled(key, done))
        # One waiter that gives up does not take the answer from the others.
        done, _ = await asyncio.wait({loading}, timeout=self._patience_seconds)
        return loading.result() if done else self._old(key, instead_of=DatabaseUnavailable())

    def known(self, key: K) -> V | None:
        """What was found a moment ago, without asking; None says nothing."""
        entry = self._entries.get(key)
        return entry.value if entry is not None and self._monotonic() < entry.fresh_until else None

    def clear(self) -> None:
        """Believes nothing any more; an answer on its way is given to those who wait for it, but not trusted
        later."""
        self._generation += 1
        self._loading.clear()
        if not self._stale_seconds:
            self._entries.clear()
        for entry in self._entries.values():
            # Asked for anew, and good only for as long as nobody can be asked.
            entry.fresh_until = self._monotonic()

    async def _loaded(self, key: K) -> V | None:
        generation = self._generation
        try:
            value = await self._load(key)
        except ServiceError as error:
            return self._old(key, instead_of=error)
        if generation == self._generation:
            self._keep(key, value, ttl_seconds=self._ttl_seconds)
        elif self._stale_seconds:
            self._keep(key, value, ttl_seconds=0)
        return value

    def _old(self, key: K, *, instead_of: ServiceError) -> V | None:
        """The answer from before, for a moment longer, if there is one and `instead_of` is about
        availability."""
        entry = self._entries.get(key)
        if (
            instead_of.kind is not Kind.UNAVAILABLE
            or entry is None
            or self._monotonic() >= entry.usable_until
        ):
            raise instead_of
        entry.fresh_until = self._monotonic() + _RETRY_SECONDS
        return entry.value

    def _keep(self, key: K, value: V | None, *, ttl_seconds: float) -> None:
        fresh_until = self._monotonic() + ttl_seconds
        self._entries[key] = _Entry(value, fresh_until, fresh_until + self._stale_seconds)
        self._entries.move_to_end(key)
        while len(self._entries) > self._size_max:
            self._entries.popitem(last=False)

    def _settled(self, key: K, done: asyncio.Task[V | None]) -> None:
        if self._loading.get(key) is done:
            del self._loading[key]
        if not done.cancelled():
            # Marks it as seen, should every waiter have given up.
            done.exception()
