"""Webhooks into the ledger. When this returns they are committed; what they mean is found out later."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from libs import failpoints, telemetry
from libs.pg import Pool, autocommit
from services.calls.domain.secrets import stripped
from services.calls.domain.webhooks import Head, IncomingWebhook, head_of
from services.calls.store import ledger

failpoints.register("ingest.before_commit", "ingest.after_commit")

_received = telemetry.meter().create_counter(
    "callplane.webhooks", description="Webhooks taken in, by type; repeats count too."
)
_stored = telemetry.meter().create_counter("callplane.webhooks.stored", description="Webhooks that were new.")


class Ingest:
    """`pool` is the worker role's: one batch holds webhooks of many organizations."""

    def __init__(self, pool: Pool, *, provider: str) -> None:
        self._pool = pool
        self._provider = provider

    async def ingest(self, webhooks: Sequence[IncomingWebhook]) -> int:
        """Stores a batch in one transaction and returns how many were new. Repeating it is harmless."""
        prepared = [prepare(webhook) for webhook in webhooks]
        async with autocommit(self._pool) as conn:
            await failpoints.hit("ingest.before_commit")
            stored = await ledger.append(conn, prepared)
        await failpoints.hit("ingest.after_commit")
        count(prepared)
        _stored.add(stored)
        return stored

    async def feed(self, org_id: UUID, body: bytes) -> bool:
        """Puts a message into the ledger that we learned from the provider otherwise than by webhook. False
        if it was there."""
        webhook = IncomingWebhook(
            source_id=org_id,
            org_id=org_id,
            provider=self._provider,
            body=body,
            received_at=datetime.now(UTC),
            traceparent=telemetry.current_traceparent(),
        )
        return await self.ingest([webhook]) > 0


def prepare(webhook: IncomingWebhook) -> tuple[IncomingWebhook, Head]:
    """What is stored: the body without secrets, and its head."""
    body = stripped(webhook.body)
    return webhook if body is webhook.body else replace(webhook, body=body), head_of(body)


def count(prepared: Sequence[tuple[IncomingWebhook, Head]]) -> None:
    """Says how many webhooks were taken in; together, because a measurement costs as much as a look at a
    body."""
    types = Counter(head.type if head.type in _KNOWN_TYPES else "other" for _, head in prepared)
    for known, number in types.items():
        _received.add(number, {"type": known})


# Words from outside do not become labels of metrics.
_KNOWN_TYPES = frozenset(
    {
        "status-update",
        "end-of-call-report",
        "conversation-update",
        "speech-update",
        "transcript",
        "tool-calls",
        "assistant-request",
        "assistant.started",
        "user-interrupted",
        "model-output",
        "hang",
    }
)
