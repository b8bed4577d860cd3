"""The way of an event to customers' endpoints: at least once, under one id, in order per subject."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from random import uniform
from typing import Final
from uuid import UUID, uuid4

from libs.pg import Connection, Pool, transaction
from libs.vault import SecretUnreadable, Vault
from services.notify import events
from services.notify.domain.signing import signature_headers
from services.notify.domain.webhooks import (
    ClaimedDelivery,
    PostResult,
    Webhook,
    disabled_reason,
    pause_seconds,
    wait_seconds,
)
from services.notify.operations.publishing import publish
from services.notify.operations.webhooks import secret_place
from services.notify.store import deliveries, webhooks

# Longer than a request may take; after it somebody else may send the same event under the same id.
LEASE_SECONDS: Final = 30.0
IN_FLIGHT_MAX: Final = 4
_PARTITION_MONTHS: Final = 4


async def claim(
    pool: Pool, *, limit: int, failing: bool, vault: Vault
) -> list[tuple[ClaimedDelivery, tuple[str, ...]]]:
    """Deliveries that are ours to attempt now, each with the secrets that sign it. The attempts are
    counted."""
    async with transaction(pool) as conn:
        claimed = await deliveries.claim_due(
            conn,
            limit=limit,
            in_flight_max=IN_FLIGHT_MAX,
            failing=failing,
            lease=uuid4(),
            lease_seconds=LEASE_SECONDS,
        )
        sealed = await webhooks.live_secrets(conn, webhook_ids={delivery.webhook_id for delivery in claimed})
    secrets = _opened(sealed, vault=vault)
    return [(delivery, secrets.get(delivery.webhook_id, ())) for delivery in claimed]


def headers_of(claimed: ClaimedDelivery, *, secrets: Sequence[str]) -> dict[str, str]:
    """New for each attempt: the timestamp is the attempt's, the id the event's."""
    return signature_headers(
        event_id=str(claimed.event_id), at=datetime.now(UTC), body=claimed.body, secrets=secrets
    )


async def record(
    pool: Pool, claimed: ClaimedDelivery, result: PostResult, *, schedule: Sequence[float]
) -> None:
    """What came of an attempt, for the delivery and for the endpoint's health, at once or not at all."""
    async with transaction(pool) as conn:
        webhook, now = await webhooks.lock(conn, webhook_id=claimed.webhook_id)
        await deliveries.insert_attempt(conn, claimed=claimed, result=result)
        if result.delivered:
            await deliveries.record_delivered(conn, claimed=claimed)
            await webhooks.record_success(conn, webhook_id=webhook.id, status_code=result.status_code)
        else:
            wait = wait_seconds(result, attempts=claimed.attempts, schedule=schedule, jitter=uniform(-1, 1))
            await deliveries.record_failed(conn, claimed=claimed, wait_seconds=wait)
            await _record_failure(conn, webhook, result, now=now)


async def create_partitions(pool: Pool, *, today: datetime) -> int:
    """Makes sure that deliveries of the coming months have their place; returns how many tables are new."""
    async with transaction(pool) as conn:
        return await deliveries.create_partitions(conn, first_month=today.date(), months=_PARTITION_MONTHS)


async def _record_failure(conn: Connection, webhook: Webhook, result: PostResult, *, now: datetime) -> None:
    await webhooks.record_failure(
        conn,
        webhook_id=webhook.id,
        status_code=result.status_code,
        error=result.error.value,
        pause_seconds=pause_seconds(webhook.failures + 1),
    )
    reason = disabled_reason(result, failing_since=webhook.failing_since, now=now)
    if reason is not None and await webhooks.disable(conn, webhook_id=webhook.id, reason=reason.value):
        await publish(conn, [events.endpoint_disabled(webhook, reason=reason.value)])


def _opened(sealed: Mapping[UUID, Sequence[bytes]], *, vault: Vault) -> dict[UUID, tuple[str, ...]]:
    """Those that open: one whose key is gone keeps neither the others of its webhook nor other webhooks from
    being used."""
    return {
        webhook_id: tuple(_each_opened(several, place=secret_place(webhook_id), vault=vault))
        for webhook_id, several in sealed.items()
    }


def _each_opened(sealed: Sequence[bytes], *, place: str, vault: Vault) -> Iterator[str]:
    for one in sealed:
        with suppress(SecretUnreadable):
            yield vault.open(one, place=place).decode()
