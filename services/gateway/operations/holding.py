"""Webhooks that were answered without `calls`, kept until the ledger has them too.

The provider does not send them again: it got its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID, uuid4

from msgspec.structs import replace

from libs import telemetry
from libs.errors import ServiceError
from libs.pg import Pool, transaction
from libs.vault import SecretUnreadable, Vault
from services.gateway.domain.webhooks import IncomingEvent
from services.gateway.store import held_webhooks
from services.gateway.store.held_webhooks import HeldWebhook

_log = telemetry.logger(__name__)
_held = telemetry.meter().create_counter(
    "callplane.webhooks.held",
    description="Webhooks with a fixed answer, by what became of them: held, full or failed.",
)

# On top of the time that was given to the answer; the caller waits.
_HOLD_SECONDS_MAX: Final = 1.0
_BATCH_MAX: Final = 50
_BATCH_BYTES_MAX: Final = 12 * 1024 * 1024


class HeldWebhooks:
    """`ingest` stores a batch in the ledger or raises; what it has already it does not store twice."""

    def __init__(
        self, worker_pool: Pool, vault: Vault, ingest: Callable[[Sequence[IncomingEvent]], Awaitable[None]]
    ) -> None:
        self._pool = worker_pool
        self._vault = vault
        self._ingest = ingest
        # The last that was looked at; None begins with the oldest.
        self._passed: HeldWebhook | None = None

    async def hold(self, event: IncomingEvent) -> None:
        """Never raises a ServiceError: the answer has to go out whatever happens here."""
        id_ = uuid4()
        sealed = replace(event, body=self._vault.seal(event.body, place=_place(id_)))
        try:
            async with asyncio.timeout(_HOLD_SECONDS_MAX), transaction(self._pool) as conn:
                held = await held_webhooks.insert(conn, HeldWebhook(id=id_, event=sealed))
        except (ServiceError, TimeoutError) as exc:
            _held.add(1, {"outcome": "failed"})
            _log.error("webhook not held", reason=getattr(exc, "reason", "DEADLINE_EXCEEDED"))
            return
        _held.add(1, {"outcome": "held" if held else "full"})

    async def step(self) -> int:
        """Hands the oldest to the ledger; returns how many it looked at. Raises if it cannot have them now.
        What cannot be opened, because its key is gone, stays and keeps nothing else from going on."""
        async with transaction(self._pool) as conn:
            oldest = await held_webhooks.list_oldest(
                conn, limit=_BATCH_MAX, bytes_max=_BATCH_BYTES_MAX, after=self._passed
            )
        opened = {held.id: event for held in oldest if (event := self._opened(held)) is not None}
        if len(opened) < len(oldest):
            _log.error("held webhooks cannot be opened", count=len(oldest) - len(opened))
        if opened:
            await self._ingest(list(opened.values()))
            async with transaction(self._pool) as conn:
                await held_webhooks.delete(conn, list(opened))
        self._passed = oldest[-1] if oldest else None
        return len(oldest)

    def _opened(self, held: HeldWebhook) -> IncomingEvent | None:
        try:
            return replace(held.event, body=self._vault.open(held.event.body, place=_place(held.id)))
        except SecretUnreadable:
            return None


def _place(id_: UUID) -> str:
    return f"held webhook {id_}"
