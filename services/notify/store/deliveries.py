"""Deliveries: the queue of each endpoint, and what came of each attempt."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from libs.pg import Connection
from services.notify.domain.webhooks import (
    FAILURES_MAX,
    Attempt,
    ClaimedDelivery,
    Delivery,
    DeliveryStatus,
    PostResult,
    PublicEvent,
)


async def insert_for_subscribers(conn: Connection, *, event: PublicEvent, traceparent: str) -> int:
    """One delivery per endpoint that wants the event, and none twice. Returns how many are new."""
    status: str = await conn.execute(
        """
        INSERT INTO notify.deliveries
               (org_id, webhook_id, event_id, event_time, event_type, subject, body, traceparent,
                next_attempt_at)
        SELECT org_id, id, $2, $3, $4, $5, $6, $7, now()
          FROM notify.webhooks
         WHERE org_id = $1 AND enabled AND deleted_at IS NULL AND $4 = ANY(events)
           AND (assistant_id = '' OR assistant_id = $8)
            ON CONFLICT (event_time, webhook_id, event_id) DO NOTHING
        """,
        event.org_id,
        event.id,
        event.time,
        event.name,
        event.subject,
        event.body,
        traceparent,
        event.assistant_id,
    )
    return int(status.rpartition(" ")[2])


async def insert_one(conn: Connection, *, webhook_id: UUID, event: PublicEvent, traceparent: str) -> Delivery:
    """For an event meant for one endpoint, whatever it subscribed to."""
    row = await conn.fetchrow(
        """
        INSERT INTO notify.deliveries
               (org_id, webhook_id, event_id, event_time, event_type, subject, body, traceparent,
                next_attempt_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now())
        RETURNING id, webhook_id, event_id, event_type, status, next_attempt_at, created_at, delivered_at
        """,
        event.org_id,
        webhook_id,
        event.id,
        event.time,
        event.name,
        event.subject,
        event.body,
        traceparent,
    )
    return _delivery(row)


# Endpoints are locked first, so that two claimers never share one; the ones that waited longest come first.
# Of each, only the earliest open delivery of a subject may go. The last WHERE looks again at the rows as they
# are by then.
_CLAIM: Final = """
WITH endpoints AS (
    SELECT webhook.id, webhook.url, CASE WHEN webhook.failures >= $6 THEN 1 ELSE $2 END AS in_flight_max
      FROM notify.webhooks AS webhook
     WHERE webhook.enabled AND webhook.deleted_at IS NULL AND (webhook.failures > 0) = $3
       AND (webhook.paused_until IS NULL OR webhook.paused_until <= now())
       AND EXISTS (SELECT FROM notify.deliveries AS due
                    WHERE due.webhook_id = webhook.id AND due.status IN ('PENDING', 'RETRYING')
                      AND due.next_attempt_at <= now()
                      AND (due.leased_until IS NULL OR due.leased_until <= now())
                      AND NOT EXISTS (SELECT FROM notify.deliveries AS earlier
                                       WHERE earlier.webhook_id = due.webhook_id
                                         AND earlier.subject = due.subject AND earlier.position < due.position
                                         AND earlier.status IN ('PENDING', 'RETRYING')))
     ORDER BY webhook.claimed_at
     LIMIT $1
       FOR NO KEY UPDATE SKIP LOCKED
), touched AS (
    UPDATE notify.webhooks SET claimed_at = clock_timestamp() FROM endpoints WHERE webhooks.id = endpoints.id
), chosen AS (
    SELECT due.event_time, due.id, endpoints.url
      FROM endpoints CROSS JOIN LATERAL (
           SELECT due.event_time, due.id
             FROM notify.deliveries AS due
            WHERE due.webhook_id = endpoints.id AND due.status IN ('PENDING', 'RETRYING')
              AND due.next_attempt_at <= now() AND (due.leased_until IS NULL OR due.leased_until <= now())
              AND NOT EXISTS (SELECT FROM notify.deliveries AS earlier
                               WHERE earlier.webhook_id = due.webhook_id AND earlier.subject = due.subject
                                 AND earlier.position < due.position
                                 AND earlier.status IN ('PENDING', 'RETRYING'))
            ORDER BY due.next_attempt_at, due.position
            LIMIT greatest(0, endpoints.in_flight_max
                              - (SELECT count(*) FROM notify.deliveries AS busy
                                  WHERE busy.webhook_id = endpoints.id AND busy.leased_until > now()
                                    AND busy.status IN ('PENDING', 'RETRYING')))) AS due
     LIMIT $1
)
UPDATE notify.deliveries AS delivery
   SET attempts = attempts + 1, lease = $4, leased_until = now() + make_interval(secs => $5)
  FROM chosen
 WHERE delivery.event_time = chosen.event_time AND delivery.id = chosen.id
   AND delivery.status IN ('PENDING', 'RETRYING')
   AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())
RETURNING delivery.id, delivery.org_id, delivery.webhook_id, delivery.event_id, delivery.event_time,
          delivery.event_type, delivery.body, delivery.traceparent, delivery.attempts, delivery.lease,
          chosen.url
"""


async def claim_due(
    conn: Connection, *, limit: int, in_flight_max: int, failing: bool, lease: UUID, lease_seconds: float
) -> list[ClaimedDelivery]:
    """Leases deliveries of endpoints that fail at present, or of those that do not; at most `in_flight_max`
    of one endpoint are out at a time, and one of an endpoint that comes out of a pause. Attempts are counted
    here."""
    rows = await conn.fetch(_CLAIM, limit, in_flight_max, failing, lease, lease_seconds, FAILURES_MAX)
    return [ClaimedDelivery(**row) for row in rows]


async def insert_attempt(conn: Connection, *, claimed: ClaimedDelivery, result: PostResult) -> None:
    await conn.execute(
        """
        INSERT INTO notify.delivery_attempts
               (org_id, event_time, delivery_id, number, status_code, error, response_body, duration_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (event_time, delivery_id, number) DO NOTHING
        """,
        claimed.org_id,
        claimed.event_time,
        claimed.id,
        claimed.attempts,
        result.status_code,
        result.error.value,
        result.response_body,
        result.duration_ms,
    )


async def record_delivered(conn: Connection, *, claimed: ClaimedDelivery) -> None:
    """Counts even if the lease ended meanwhile: delivered is delivered."""
    await conn.execute(
        """
        UPDATE notify.deliveries
           SET status = 'DELIVERED', delivered_at = now(), next_attempt_at = NULL,
               lease = NULL, leased_until = NULL
         WHERE event_time = $1 AND id = $2 AND status IN ('PENDING', 'RETRYING')
        """,
        claimed.event_time,
        claimed.id,
    )


async def record_failed(conn: Connection, *, claimed: ClaimedDelivery, wait_seconds: float | None) -> None:
    """None gives it up. Changes nothing if the lease was lost to somebody else."""
    await conn.execute(
        """
        UPDATE notify.deliveries
           SET status = CASE WHEN $4::float8 IS NULL THEN 'EXHAUSTED' ELSE 'RETRYING' END,
               next_attempt_at = now() + make_interval(secs => $4),
               lease = NULL, leased_until = NULL
         WHERE event_time = $1 AND id = $2 AND lease = $3 AND status IN ('PENDING', 'RETRYING')
        """,
        claimed.event_time,
        claimed.id,
        claimed.lease,
        wait_seconds,
    )


async def exhaust_all(conn: Connection, *, webhook_id: UUID) -> None:
    """Gives up what still waits for an endpoint."""
    await conn.execute(
        """
        UPDATE notify.deliveries
           SET status = 'EXHAUSTED', next_attempt_at = NULL, lease = NULL, leased_until = NULL
         WHERE webhook_id = $1 AND status IN ('PENDING', 'RETRYING')
        """,
        webhook_id,
    )


async def find(conn: Connection, *, delivery_id: UUID) -> Delivery | None:
    row = await conn.fetchrow(
        """
        SELECT id, webhook_id, event_id, event_type, status, next_attempt_at, created_at, delivered_at
          FROM notify.deliveries
         WHERE id = $1
        """,
        delivery_id,
    )
    return _delivery(row) if row else None


async def retry_now(conn: Connection, *, delivery_id: UUID) -> Delivery | None:
    """None unless it has failed and is not being attempted at this moment."""
    row = await conn.fetchrow(
        """
        UPDATE notify.deliveries
           SET status = 'RETRYING', next_attempt_at = now(), lease = NULL, leased_until = NULL
         WHERE id = $1 AND status IN ('RETRYING', 'EXHAUSTED')
           AND (leased_until IS NULL OR leased_until <= now())
        RETURNING id, webhook_id, event_id, event_type, status, next_attempt_at, created_at, delivered_at
        """,
        delivery_id,
    )
    return _delivery(row) if row else None


async def list_page(
    conn: Connection, *, webhook_id: UUID, status: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Delivery]:
    """Newest first, without attempts. An empty status means all."""
    rows = await conn.fetch(
        """
        SELECT id, webhook_id, event_id, event_type, status, next_attempt_at, created_at, delivered_at
          FROM notify.deliveries
         WHERE webhook_id = $1 AND ($2 = '' OR status = $2)
           AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $5
        """,
        webhook_id,
        status,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_delivery(row) for row in rows]


async def with_attempts(conn: Connection, *, deliveries: Sequence[Delivery]) -> list[Delivery]:
    attempts = await _attempts(conn, delivery_ids=[delivery.id for delivery in deliveries])
    return [replace(delivery, attempts=tuple(attempts.get(delivery.id, ()))) for delivery in deliveries]


async def create_partitions(conn: Connection, *, first_month: date, months: int) -> int:
    created: int = await conn.fetchval("SELECT notify.create_partitions($1, $2)", first_month, months)
    return created


async def _attempts(conn: Connection, *, delivery_ids: Collection[UUID]) -> dict[UUID, list[Attempt]]:
    rows = await conn.fetch(
        """
        SELECT delivery_id, number, status_code, error, response_body, duration_ms, attempted_at
          FROM notify.delivery_attempts
         WHERE delivery_id = ANY($1::uuid[])
         ORDER BY delivery_id, number
         LIMIT 20000
        """,
        list(delivery_ids),
    )
    attempts: dict[UUID, list[Attempt]] = {}
    for row in rows:
        attempts.setdefault(row["delivery_id"], []).append(
            Attempt(
                number=row["number"],
                status_code=row["status_code"],
                error=row["error"],
                response_body=row["response_body"],
                duration_ms=row["duration_ms"],
                attempted_at=row["attempted_at"],
            )
        )
    return attempts


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        status=DeliveryStatus(row["status"]),
        next_attempt_at=row["next_attempt_at"],
        created_at=row["created_at"],
        delivered_at=row["delivered_at"],
    )
