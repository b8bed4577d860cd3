"""Attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.attempts import Attempt, Check, State
from services.campaigns.store.rows import existing


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(**{**row, "state": State(row["state"])})


async def insert_intent(
    conn: Connection,
    *,
    org_id: UUID,
    campaign_id: UUID,
    contact_id: UUID,
    batch_no: int,
    check_in_seconds: float,
) -> UUID:
    attempt_id: UUID = await conn.fetchval(
        """
        INSERT INTO campaigns.attempts (org_id, campaign_id, contact_id, number, batch_no, state, check_at)
        SELECT $1, $2, $3, coalesce(max(number), 0) + 1, $4, 'INTENT',
               clock_timestamp() + make_interval(secs => $5)
          FROM campaigns.attempts
         WHERE contact_id = $3 AND counts
        RETURNING id
        """,
        org_id,
        campaign_id,
        contact_id,
        batch_no,
        check_in_seconds,
    )
    return attempt_id


async def find_campaign(conn: Connection, attempt_id: UUID) -> UUID | None:
    """The campaign whose lock has to be taken before the attempt's."""
    campaign_id: UUID | None = await conn.fetchval(
        "SELECT campaign_id FROM campaigns.attempts WHERE id = $1", attempt_id
    )
    return campaign_id


async def lock(conn: Connection, attempt_id: UUID) -> Attempt:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, campaign_id, contact_id, number, batch_no, state, counts, call_status, outcome,
               ended_reason, reason, created_at, placed_at, ended_at, duration_seconds, cost_usd,
               success_evaluation, recording_url, summary
          FROM campaigns.attempts
         WHERE id = $1
           FOR NO KEY UPDATE
        """,
        attempt_id,
    )
    return _attempt(existing(row))


async def count_by_reason(conn: Connection, contact_id: UUID, *, reason: str) -> int:
    """Of those that used up one of the contact's attempts, or would have."""
    count: int = await conn.fetchval(
        "SELECT count(*) FROM campaigns.attempts WHERE contact_id = $1 AND counts AND reason = $2",
        contact_id,
        reason,
    )
    return count


async def is_untouched(conn: Connection, attempt_id: UUID, *, check_in_seconds: float) -> bool:
    """Whether an intent was neither answered nor taken for the check that it was inserted with; it then is
    not before the transaction ends. Of a locked campaign."""
    found: bool | None = await conn.fetchval(
        """
        SELECT state = 'INTENT' AND clock_timestamp() < created_at + make_interval(secs => $2)
          FROM campaigns.attempts
         WHERE id = $1
           FOR NO KEY UPDATE
        """,
        attempt_id,
        check_in_seconds,
    )
    return found or False


async def save(conn: Connection, attempt: Attempt, *, check_in_seconds: float | None) -> None:
    await conn.execute(
        """
        UPDATE campaigns.attempts
           SET state = $2, counts = $3, call_status = $4, outcome = $5, ended_reason = $6, reason = $7,
               placed_at = $8, ended_at = $9, duration_seconds = $10, cost_usd = $11,
               success_evaluation = $12, recording_url = $13, summary = $14,
               check_at = clock_timestamp() + make_interval(secs => $15::double precision)
         WHERE id = $1
        """,
        attempt.id,
        attempt.state.value,
        attempt.counts,
        attempt.call_status,
        attempt.outcome,
        attempt.ended_reason,
        attempt.reason,
        attempt.placed_at,
        attempt.ended_at,
        attempt.duration_seconds,
        attempt.cost_usd,
        attempt.success_evaluation,
        attempt.recording_url,
        attempt.summary,
        check_in_seconds,
    )


async def list_after(conn: Connection, campaign_id: UUID, *, after: UUID | None, limit: int) -> list[Attempt]:
    """Newest first: ids are made in the order of time."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, contact_id, number, batch_no, state, counts, call_status, outcome,
               ended_reason, reason, created_at, placed_at, ended_at, duration_seconds, cost_usd,
               success_evaluation, recording_url, summary
          FROM campaigns.attempts
         WHERE campaign_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC
         LIMIT $3
        """,
        campaign_id,
        after,
        limit,
    )
    return [_attempt(row) for row in rows]


async def list_counted(conn: Connection, contact_ids: Sequence[UUID]) -> list[Attempt]:
    """All that used up one of a contact's attempts, the first ones first."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, contact_id, number, batch_no, state, counts, call_status, outcome,
               ended_reason, reason, created_at, placed_at, ended_at, duration_seconds, cost_usd,
               success_evaluation, recording_url, summary
          FROM campaigns.attempts
         WHERE contact_id = ANY($1::uuid[]) AND counts
         ORDER BY contact_id, number
         LIMIT 10000
        """,
        list(contact_ids),
    )
    return [_attempt(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Batch:
    """How many attempts a batch has, and how many of them are not over."""

    attempts: int
    open: int


async def count_batch(conn: Connection, campaign_id: UUID, *, batch_no: int) -> Batch:
    row = await conn.fetchrow(
        """
        SELECT count(*) AS attempts, count(*) FILTER (WHERE state IN ('INTENT', 'PLACED', 'UNKNOWN')) AS open
          FROM campaigns.attempts
         -- As the index is told which attempts belong to a batch at all.
         WHERE campaign_id = $1 AND batch_no = $2 AND batch_no > 0 AND counts
        """,
        campaign_id,
        batch_no,
    )
    return Batch(**existing(row))


async def claim_checks(conn: Connection, *, limit: int, again_in_seconds: float) -> list[Check]:
    """Takes attempts that are due for a check; one whose check does not end comes up again."""
    rows = await conn.fetch(
        """
        UPDATE campaigns.attempts
           SET check_at = clock_timestamp() + make_interval(secs => $2)
         WHERE id IN (SELECT id FROM campaigns.attempts
                       WHERE check_at <= clock_timestamp()
                       ORDER BY check_at
                       LIMIT $1
                         FOR UPDATE SKIP LOCKED)
        RETURNING id AS attempt_id, org_id, state,
                  extract(epoch FROM clock_timestamp() - created_at)::double precision AS age_seconds
        """,
        limit,
        again_in_seconds,
    )
    return [Check(**{**row, "state": State(row["state"])}) for row in rows]


async def watch_stranded(conn: Connection, *, limit: int) -> int:
    """Attempts that are over, that nobody looks after any more, and whose contact waits for them all the same
    are looked after at once. A safety net: whoever ends an attempt settles its contact or goes on
    watching."""
    status: str = await conn.execute(
        """
        UPDATE campaigns.attempts
           SET check_at = clock_timestamp()
         WHERE id IN (SELECT attempt.id
                        FROM campaigns.contacts AS contact
                        JOIN campaigns.attempts AS attempt ON attempt.id = contact.attempt_id
                       WHERE contact.attempt_id IS NOT NULL AND attempt.check_at IS NULL
                       LIMIT $1)
        """,
        limit,
    )
    return int(status.removeprefix("UPDATE "))


async def put_off_check(conn: Connection, attempt_id: UUID, *, check_in_seconds: float) -> None:
    """Of an intent; what was answered meanwhile is looked after as its answer says."""
    await conn.execute(
        """
        UPDATE campaigns.attempts
           SET check_at = clock_timestamp() + make_interval(secs => $2)
         WHERE id = $1 AND state = 'INTENT'
        """,
        attempt_id,
        check_in_seconds,
    )
