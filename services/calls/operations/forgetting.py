"""Forgetting what makes webhooks the same, once no provider repeats them any more. A webhook that comes again
even later is stored again; its call stays as it is, because what is told twice counts once."""

from typing import Final

from libs.pg import Pool, transaction
from services.calls.store import event_keys

# Half a mebibyte: some thousands of keys.
_BLOCKS: Final = 64
# Of blocks without anything old, so many at a time.
_LOOKS_MAX: Final = 50


class KeyForgetting:
    """`pool` is the worker role's. After a restart it begins anew at the table's beginning."""

    def __init__(self, pool: Pool, *, days: float) -> None:
        self._pool = pool
        self._days = days
        self._block = 0

    async def step(self) -> int:
        """Goes on from where it was until something was forgotten; returns how many keys these were."""
        for _ in range(_LOOKS_MAX):
            forgotten, done = await self._look()
            if forgotten or done:
                return forgotten
        return 0

    async def _look(self) -> tuple[int, bool]:
        """The next blocks, in one transaction, and whether they were the last."""
        async with transaction(self._pool) as conn:
            blocks = await event_keys.count_blocks(conn)
            first, last = self._block, self._block + _BLOCKS - 1
            forgotten = await event_keys.forget(conn, days=self._days, first=first, last=last)
        done = last + 1 >= blocks
        self._block = 0 if done else last + 1
        return forgotten, done
