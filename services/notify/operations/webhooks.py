"""Customers' endpoints and their deliveries, as customers manage them."""

import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4

import msgspec

from libs.pg import Connection, Pool, transaction
from libs.telemetry import current_traceparent
from libs.vault import Vault
from services.notify.domain.catalogue import check_known
from services.notify.domain.signing import SECRET_BYTES, secret_of
from services.notify.domain.webhooks import ROTATION_OVERLAP, TEST_EVENT, Delivery, PublicEvent, Webhook
from services.notify.errors import (
    DeliveryNotFound,
    DeliveryNotRetryable,
    WebhookDisabled,
    WebhookNotFound,
)
from services.notify.store import deliveries, webhooks


class UrlGuard(Protocol):
    """Says no to URLs that may not be called."""

    async def check(self, url: str) -> None:
        """Raises WebhookUrlRefused for its spelling, or for the addresses its host has at present."""


@dataclass(frozen=True, slots=True)
class WebhookWithSecret:
    webhook: Webhook
    secret: str


async def create_webhook(
    pool: Pool,
    *,
    org_id: UUID,
    url: str,
    events: Sequence[str],
    assistant_id: str,
    guard: UrlGuard,
    vault: Vault,
) -> WebhookWithSecret:
    check_known(events)
    await guard.check(url)
    async with transaction(pool, org_id=org_id) as conn:
        webhook = await webhooks.insert(
            conn, org_id=org_id, url=url, events=events, assistant_id=assistant_id
        )
        secret = await _new_secret(conn, webhook, vault=vault)
    return WebhookWithSecret(webhook, secret)


async def get_webhook(pool: Pool, *, org_id: UUID, webhook_id: UUID) -> Webhook:
    async with transaction(pool, org_id=org_id) as conn:
        return await _found(conn, webhook_id)


async def list_webhooks(
    pool: Pool, *, org_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> list[Webhook]:
    async with transaction(pool, org_id=org_id) as conn:
        return await webhooks.list_page(conn, before=before, limit=limit)


async def update_webhook(
    pool: Pool,
    *,
    org_id: UUID,
    webhook_id: UUID,
    url: str | None,
    events: Sequence[str],
    enabled: bool | None,
    guard: UrlGuard,
) -> Webhook:
    check_known(events)
    if url is not None:
        await guard.check(url)
    async with transaction(pool, org_id=org_id) as conn:
        webhook = await webhooks.update(conn, webhook_id=webhook_id, url=url, events=events, enabled=enabled)
    if webhook is None:
        raise WebhookNotFound
    return webhook


async def delete_webhook(pool: Pool, *, org_id: UUID, webhook_id: UUID) -> None:
    """What still waits for it is given up in the same transaction."""
    async with transaction(pool, org_id=org_id) as conn:
        if not await webhooks.delete(conn, webhook_id=webhook_id):
            raise WebhookNotFound
        await deliveries.exhaust_all(conn, webhook_id=webhook_id)


async def rotate_secret(pool: Pool, *, org_id: UUID, webhook_id: UUID, vault: Vault) -> WebhookWithSecret:
    async with transaction(pool, org_id=org_id) as conn:
        webhook = await _locked(conn, webhook_id)
        await webhooks.expire_secrets(conn, webhook_id=webhook_id, overlap=ROTATION_OVERLAP)
        secret = await _new_secret(conn, webhook, vault=vault)
    return WebhookWithSecret(webhook, secret)


async def test_webhook(pool: Pool, *, org_id: UUID, webhook_id: UUID) -> Delivery:
    async with transaction(pool, org_id=org_id) as conn:
        webhook = await _found(conn, webhook_id)
        if not webhook.enabled:
            raise WebhookDisabled
        return await deliveries.insert_one(
            conn, webhook_id=webhook.id, event=_test_event(webhook), traceparent=current_traceparent()
        )


async def list_deliveries(
    pool: Pool,
    *,
    org_id: UUID,
    webhook_id: UUID,
    status: str,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Delivery]:
    async with transaction(pool, org_id=org_id) as conn:
        await _found(conn, webhook_id)
        page = await deliveries.list_page(
            conn, webhook_id=webhook_id, status=status, before=before, limit=limit
        )
        return await deliveries.with_attempts(conn, deliveries=page)


async def retry_delivery(pool: Pool, *, org_id: UUID, delivery_id: UUID) -> Delivery:
    async with transaction(pool, org_id=org_id) as conn:
        delivery = await deliveries.find(conn, delivery_id=delivery_id)
        if delivery is None:
            raise DeliveryNotFound
        webhook = await webhooks.find(conn, webhook_id=delivery.webhook_id)
        if webhook is None:
            raise DeliveryNotRetryable
        if not webhook.enabled:
            raise WebhookDisabled
        retried = await deliveries.retry_now(conn, delivery_id=delivery_id)
        if retried is None:
            raise DeliveryNotRetryable
        return (await deliveries.with_attempts(conn, deliveries=[retried]))[0]


def secret_place(webhook_id: UUID) -> str:
    """Where a sealed secret belongs; see `libs.vault`."""
    return f"webhooks/{webhook_id}"


async def _found(conn: Connection, webhook_id: UUID) -> Webhook:
    webhook = await webhooks.find(conn, webhook_id=webhook_id)
    if webhook is None:
        raise WebhookNotFound
    return webhook


async def _locked(conn: Connection, webhook_id: UUID) -> Webhook:
    """Two rotations at a time would make two current secrets."""
    await webhooks.lock(conn, webhook_id=webhook_id)
    return await _found(conn, webhook_id)


async def _new_secret(conn: Connection, webhook: Webhook, *, vault: Vault) -> str:
    secret = secret_of(random.token_bytes(SECRET_BYTES))
    await webhooks.insert_secret(
        conn,
        org_id=webhook.org_id,
        webhook_id=webhook.id,
        sealed_secret=vault.seal(secret.encode(), place=secret_place(webhook.id)),
    )
    return secret


def _test_event(webhook: Webhook) -> PublicEvent:
    event_id, now = uuid4(), datetime.now(UTC)
    body = {
        "type": TEST_EVENT,
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "data": {"webhookId": str(webhook.id)},
    }
    return PublicEvent(
        id=event_id,
        org_id=webhook.org_id,
        name=TEST_EVENT,
        # A subject of its own: a test does not wait behind anything.
        subject=str(event_id),
        time=now,
        body=msgspec.json.encode(body).decode(),
    )
