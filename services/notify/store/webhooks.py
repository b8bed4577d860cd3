"""Webhooks, how they have been doing, and their sealed secrets."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.notify.domain.webhooks import Webhook
from services.notify.errors import WebhookNotFound


async def insert(
    conn: Connection, *, org_id: UUID, url: str, events: Sequence[str], assistant_id: str
) -> Webhook:
    row = await conn.fetchrow(
        """
        INSERT INTO notify.webhooks (org_id, url, events, assistant_id)
        VALUES ($1, $2, $3, $4)
        RETURNING id, org_id, url, events, assistant_id, enabled, disabled_reason, failing_since, failures,
                  last_delivery_at, last_status, last_error, created_at
        """,
        org_id,
        url,
        list(events),
        assistant_id,
    )
    return _webhook(row)


async def wanted_events(conn: Connection, *, org_ids: Collection[UUID]) -> frozenset[tuple[UUID, str]]:
    """The organizations' ids with the names of the events that some endpoint of theirs wants."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT org_id, unnest(events) AS name
          FROM notify.webhooks
         WHERE org_id = ANY($1::uuid[]) AND enabled AND deleted_at IS NULL
        """,
        list(org_ids),
    )
    return frozenset((row["org_id"], row["name"]) for row in rows)


async def find(conn: Connection, *, webhook_id: UUID) -> Webhook | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, url, events, assistant_id, enabled, disabled_reason, failing_since, failures,
               last_delivery_at, last_status, last_error, created_at
          FROM notify.webhooks
         WHERE id = $1 AND deleted_at IS NULL
        """,
        webhook_id,
    )
    return _webhook(row) if row else None


async def list_page(conn: Connection, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Webhook]:
    rows = await conn.fetch(
        """
        SELECT id, org_id, url, events, assistant_id, enabled, disabled_reason, failing_since, failures,
               last_delivery_at, last_status, last_error, created_at
          FROM notify.webhooks
         WHERE deleted_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $3
        """,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_webhook(row) for row in rows]


async def update(
    conn: Connection, *, webhook_id: UUID, url: str | None, events: Sequence[str], enabled: bool | None
) -> Webhook | None:
    """Changes what is not empty or None. Switching on forgets why it was off and how it failed."""
    row = await conn.fetchrow(
        """
        UPDATE notify.webhooks
           SET url = coalesce($2, url),
               events = CASE WHEN cardinality($3::text[]) > 0 THEN $3 ELSE events END,
               enabled = coalesce($4, enabled),
               disabled_reason = CASE WHEN $4 THEN '' ELSE disabled_reason END,
               failing_since = CASE WHEN $4 THEN NULL ELSE failing_since END,
               failures = CASE WHEN $4 THEN 0 ELSE failures END,
               paused_until = CASE WHEN $4 THEN NULL ELSE paused_until END
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, org_id, url, events, assistant_id, enabled, disabled_reason, failing_since, failures,
                  last_delivery_at, last_status, last_error, created_at
        """,
        webhook_id,
        url,
        list(events),
        enabled,
    )
    return _webhook(row) if row else None


async def delete(conn: Connection, *, webhook_id: UUID) -> bool:
    deleted: bool | None = await conn.fetchval(
        """
        UPDATE notify.webhooks SET deleted_at = now(), enabled = false
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING true
        """,
        webhook_id,
    )
    return deleted or False


async def lock(conn: Connection, *, webhook_id: UUID) -> tuple[Webhook, datetime]:
    """The webhook, deleted or not, and the database's time; locked until the transaction ends. Raises
    WebhookNotFound."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, url, events, assistant_id, enabled, disabled_reason, failing_since, failures,
               last_delivery_at,
               last_status, last_error, created_at, now() AS now
          FROM notify.webhooks
         WHERE id = $1
           FOR NO KEY UPDATE
        """,
        webhook_id,
    )
    if row is None:
        raise WebhookNotFound
    return _webhook(row), row["now"]


async def record_success(conn: Connection, *, webhook_id: UUID, status_code: int) -> None:
    await conn.execute(
        """
        UPDATE notify.webhooks
           SET failing_since = NULL, failures = 0, paused_until = NULL,
               last_delivery_at = now(), last_status = $2, last_error = ''
         WHERE id = $1
        """,
        webhook_id,
        status_code,
    )


async def record_failure(
    conn: Connection, *, webhook_id: UUID, status_code: int, error: str, pause_seconds: float
) -> None:
    await conn.execute(
        """
        UPDATE notify.webhooks
           SET failing_since = coalesce(failing_since, now()),
               failures = failures + 1,
               paused_until = CASE WHEN $4 > 0 THEN now() + make_interval(secs => $4) END,
               last_delivery_at = now(), last_status = $2, last_error = $3
         WHERE id = $1
        """,
        webhook_id,
        status_code,
        error,
        pause_seconds,
    )


async def disable(conn: Connection, *, webhook_id: UUID, reason: str) -> bool:
    """False if it was off already."""
    disabled: bool | None = await conn.fetchval(
        """
        UPDATE notify.webhooks SET enabled = false, disabled_reason = $2
         WHERE id = $1 AND enabled
        RETURNING true
        """,
        webhook_id,
        reason,
    )
    return disabled or False


async def insert_secret(conn: Connection, *, org_id: UUID, webhook_id: UUID, sealed_secret: bytes) -> None:
    await conn.execute(
        "INSERT INTO notify.webhook_secrets (org_id, webhook_id, sealed_secret) VALUES ($1, $2, $3)",
        org_id,
        webhook_id,
        sealed_secret,
    )


async def expire_secrets(conn: Connection, *, webhook_id: UUID, overlap: timedelta) -> None:
    """The current secret signs for the overlap still; one that was expiring already ends at once."""
    await conn.execute(
        """
        UPDATE notify.webhook_secrets
           SET expires_at = CASE WHEN expires_at IS NULL THEN now() + $2 ELSE least(expires_at, now()) END
         WHERE webhook_id = $1 AND (expires_at IS NULL OR expires_at > now())
        """,
        webhook_id,
        overlap,
    )


async def live_secrets(conn: Connection, *, webhook_ids: Collection[UUID]) -> dict[UUID, list[bytes]]:
    """The sealed secrets that sign at present, the current one first."""
    rows = await conn.fetch(
        """
        SELECT webhook_id, sealed_secret
          FROM notify.webhook_secrets
         WHERE webhook_id = ANY($1::uuid[]) AND (expires_at IS NULL OR expires_at > now())
         ORDER BY expires_at DESC NULLS FIRST
         LIMIT 10000
        """,
        list(webhook_ids),
    )
    secrets: dict[UUID, list[bytes]] = {}
    for row in rows:
        secrets.setdefault(row["webhook_id"], []).append(row["sealed_secret"])
    return secrets


def _webhook(row: Any) -> Webhook:
    return Webhook(
        id=row["id"],
        org_id=row["org_id"],
        url=row["url"],
        events=tuple(row["events"]),
        assistant_id=row["assistant_id"],
        enabled=row["enabled"],
        disabled_reason=row["disabled_reason"],
        failing_since=row["failing_since"],
        failures=row["failures"],
        last_delivery_at=row["last_delivery_at"],
        last_status=row["last_status"],
        last_error=row["last_error"],
        created_at=row["created_at"],
    )
