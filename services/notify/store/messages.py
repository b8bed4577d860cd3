"""Messages: the queue of those to send, those whose fate is unknown, and the record of all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.notify.domain.messages import Message, MessageStatus


async def insert(
    conn: Connection,
    *,
    org_id: UUID,
    recipients: Sequence[str],
    body: str,
    traceparent: str,
    idempotency_key: str = "",
    alert_id: UUID | None = None,
) -> list[UUID]:
    """Queues one message per recipient. None is queued under an idempotency key that was used before."""
    rows = await conn.fetch(
        """
        INSERT INTO notify.messages (org_id, recipient, body, idempotency_key, alert_id, traceparent)
        SELECT $1, recipient, $3, $4, $5, $6 FROM unnest($2::text[]) AS recipient
            ON CONFLICT (org_id, idempotency_key) WHERE idempotency_key <> '' DO NOTHING
        RETURNING id
        """,
        org_id,
        list(recipients),
        body,
        idempotency_key,
        alert_id,
        traceparent,
    )
    return [row["id"] for row in rows]


async def find(conn: Connection, *, message_id: UUID) -> Message | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
               lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
          FROM notify.messages
         WHERE id = $1
        """,
        message_id,
    )
    return _message(row) if row else None


async def find_by_idempotency_key(conn: Connection, *, idempotency_key: str) -> Message | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
               lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
          FROM notify.messages
         WHERE idempotency_key = $1 AND idempotency_key <> ''
        """,
        idempotency_key,
    )
    return _message(row) if row else None


async def lock(conn: Connection, *, message_id: UUID | None, provider_message_id: str) -> Message | None:
    """By the provider's id, or by ours where the provider's is not known yet. Locked until the transaction
    ends."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
               lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
          FROM notify.messages
         WHERE provider_message_id = $2 OR (id = $1 AND provider_message_id IS NULL)
         LIMIT 1
           FOR UPDATE
        """,
        message_id,
        provider_message_id,
    )
    return _message(row) if row else None


async def lock_sending(conn: Connection, *, message_id: UUID) -> Message | None:
    """The message, if nobody has learned yet what became of it."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
               lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
          FROM notify.messages
         WHERE id = $1 AND status = 'SENDING'
           FOR UPDATE
        """,
        message_id,
    )
    return _message(row) if row else None


async def list_page(
    conn: Connection, *, status: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Message]:
    """Newest first. An empty status means all."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
               lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
          FROM notify.messages
         WHERE ($1 = '' OR status = $1) AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
         ORDER BY created_at DESC, id DESC
         LIMIT $4
        """,
        status,
        before[0] if before else None,
        before[1] if before else None,
        limit,
    )
    return [_message(row) for row in rows]


async def claim_due(conn: Connection, *, limit: int, lease_seconds: float) -> list[Message]:
    """Takes messages that are due, counts the attempt, and takes those out whose recipient opted out
    meanwhile: they come back SUPPRESSED, the others SENDING."""
    rows = await conn.fetch(
        """
        WITH due AS (
            SELECT id FROM notify.messages
             WHERE status = 'QUEUED' AND next_attempt_at <= now()
             ORDER BY next_attempt_at
             LIMIT $1
               FOR UPDATE SKIP LOCKED
        ), judged AS (
            SELECT message.id,
                   EXISTS (SELECT FROM notify.suppressions
                            WHERE suppressions.org_id = message.org_id AND phone_number = message.recipient
                              AND channel IN ('SMS', 'ALL')) AS suppressed
              FROM notify.messages AS message JOIN due USING (id)
        )
        UPDATE notify.messages AS message
           SET status = CASE WHEN suppressed THEN 'SUPPRESSED' ELSE 'SENDING' END,
               attempts = attempts + CASE WHEN suppressed THEN 0 ELSE 1 END,
               failed_at = CASE WHEN suppressed THEN now() END,
               claimed_at = now(),
               lookups = 0,
               lookup_at = now() + make_interval(secs => $2)
          FROM judged
         WHERE message.id = judged.id
        RETURNING message.id, org_id, recipient, body, status, provider_message_id, error_code, attempts,
                  rounds, lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
        """,
        limit,
        lease_seconds,
    )
    return [_message(row) for row in rows]


async def count_attempt(conn: Connection, *, message_id: UUID, claimed_at: datetime | None) -> bool:
    """One more request within the same claim. False if it must not be made: the recipient opted out, or the
    message is not ours any more."""
    counted: bool | None = await conn.fetchval(
        """
        UPDATE notify.messages AS message
           SET attempts = attempts + 1
         WHERE id = $1 AND status = 'SENDING' AND claimed_at = $2 AND lookup_at > now()
           AND NOT EXISTS (SELECT FROM notify.suppressions
                            WHERE suppressions.org_id = message.org_id AND phone_number = message.recipient
                              AND channel IN ('SMS', 'ALL'))
        RETURNING true
        """,
        message_id,
        claimed_at,
    )
    return counted or False


async def requeue(
    conn: Connection, *, message_id: UUID, error_code: str, wait_seconds: float, tried: bool
) -> None:
    """For a message that was surely not sent. One that was not even tried gets its attempt back."""
    await conn.execute(
        """
        UPDATE notify.messages
           SET status = 'QUEUED',
               error_code = $2,
               attempts = attempts - CASE WHEN $4 THEN 0 ELSE 1 END,
               rounds = rounds + CASE WHEN $4 THEN 1 ELSE 0 END,
               next_attempt_at = now() + make_interval(secs => $3),
               lookup_at = NULL
         WHERE id = $1 AND status = 'SENDING'
        """,
        message_id,
        error_code,
        wait_seconds,
        tried,
    )


async def look_up_in(conn: Connection, *, message_id: UUID, wait_seconds: float, lookups: int) -> None:
    await conn.execute(
        """
        UPDATE notify.messages SET lookup_at = now() + make_interval(secs => $2), lookups = $3
         WHERE id = $1 AND status = 'SENDING'
        """,
        message_id,
        wait_seconds,
        lookups,
    )


async def claim_lookups(conn: Connection, *, limit: int, lease_seconds: float) -> list[Message]:
    """Takes messages whose sender learned nothing, or died."""
    rows = await conn.fetch(
        """
        WITH due AS (
            SELECT id FROM notify.messages
             WHERE status = 'SENDING' AND lookup_at <= now()
             ORDER BY lookup_at
             LIMIT $1
               FOR UPDATE SKIP LOCKED
        )
        UPDATE notify.messages AS message
           SET lookup_at = now() + make_interval(secs => $2)
          FROM due
         WHERE message.id = due.id
        RETURNING message.id, org_id, recipient, body, status, provider_message_id, error_code, attempts,
                  rounds, lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
        """,
        limit,
        lease_seconds,
    )
    return [_message(row) for row in rows]


async def known_provider_ids(conn: Connection, *, recipient: str, since: datetime) -> frozenset[str]:
    """What the provider has for a recipient and we know as other messages, of any organization."""
    rows = await conn.fetch(
        """
        SELECT provider_message_id
          FROM notify.messages
         WHERE recipient = $1 AND provider_message_id IS NOT NULL AND sent_at >= $2
         LIMIT 1000
        """,
        recipient,
        since,
    )
    return frozenset(row["provider_message_id"] for row in rows)


async def advance(
    conn: Connection, *, message_id: UUID, status: MessageStatus, provider_message_id: str, error_code: str
) -> Message:
    """Writes what is known now. Whether it may be written is the caller's to decide, under the lock of the
    row."""
    row = await conn.fetchrow(
        """
        UPDATE notify.messages
           SET status = $2,
               provider_message_id = coalesce(provider_message_id, NULLIF($3, '')),
               error_code = $4,
               lookup_at = NULL,
               sent_at = CASE WHEN coalesce(provider_message_id, NULLIF($3, '')) IS NOT NULL
                              THEN coalesce(sent_at, clock_timestamp()) END,
               delivered_at = CASE WHEN $2 = 'DELIVERED' THEN clock_timestamp() END,
               failed_at = CASE WHEN $2 IN ('FAILED', 'SUPPRESSED') THEN clock_timestamp() END
         WHERE id = $1
        RETURNING id, org_id, recipient, body, status, provider_message_id, error_code, attempts, rounds,
                  lookups, alert_id, traceparent, created_at, claimed_at, sent_at, delivered_at
        """,
        message_id,
        status.value,
        provider_message_id,
        error_code,
    )
    return _message(row)


async def insert_attempt(
    conn: Connection, *, message: Message, number: int, outcome: str, code: str, duration_ms: float
) -> None:
    await conn.execute(
        """
        INSERT INTO notify.message_attempts (org_id, message_id, number, outcome, code, duration_ms)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        message.org_id,
        message.id,
        number,
        outcome,
        code,
        duration_ms,
    )


def _message(row: Any) -> Message:
    return Message(
        id=row["id"],
        org_id=row["org_id"],
        recipient=row["recipient"],
        body=row["body"],
        status=MessageStatus(row["status"]),
        provider_message_id=row["provider_message_id"] or "",
        error_code=row["error_code"],
        attempts=row["attempts"],
        rounds=row["rounds"],
        lookups=row["lookups"],
        alert_id=row["alert_id"],
        traceparent=row["traceparent"],
        created_at=row["created_at"],
        claimed_at=row["claimed_at"],
        sent_at=row["sent_at"],
        delivered_at=row["delivered_at"],
    )
