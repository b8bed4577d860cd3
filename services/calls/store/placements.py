"""How the placing of outbound calls goes: the part of `calls.calls` that we write, not the provider.

The fold of webhooks writes the same rows. Both lock the row first and both only move a placement forward from
PENDING or UNKNOWN, so whichever comes first, the webhook or the answer to our POST, the row ends the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.calls.domain.placement import Placement, PlacementOrder, PlacementResult, PlacementState

ClosedAs = Literal["FAILED", "CANCELED", "TIMEOUT"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCall:
    """A call that should have news by now."""

    call_id: UUID
    org_id: UUID
    account_id: UUID | None
    provider_call_id: str
    status: str
    created_at: datetime
    started_at: datetime | None
    max_duration_seconds: int | None
    cancel_requested: bool
    # The database's time.
    asked_at: datetime


async def insert_call(conn: Connection, order: PlacementOrder, *, org_id: UUID, account_id: UUID) -> bool:
    """False, and nothing stored, if the id is taken or was taken once and its row is gone; waits for a
    transaction that is just taking it."""
    inserted: bool | None = await conn.fetchval(
        """
        INSERT INTO calls.calls (
               id, org_id, provider, provider_account_id, direction, status, assistant_id,
               provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number,
               customer_name, max_duration_seconds, placement, placement_requested_at)
        SELECT $1, $2, 'vapi', $3, 'OUTBOUND', 'QUEUED', $4, $5, $6, $7, $8, $9, $10, $11, 'PENDING', now()
         WHERE NOT EXISTS (SELECT FROM calls.own_facts WHERE call_id = $1)
            ON CONFLICT ON CONSTRAINT calls_pkey DO NOTHING
        RETURNING true
        """,
        order.call_id,
        org_id,
        account_id,
        order.assistant_id,
        order.provider_assistant_id,
        order.campaign_id,
        order.contact_id,
        order.phone_number_id,
        order.customer_number,
        order.customer_name,
        order.max_duration_seconds,
    )
    return inserted or False


async def find_state(conn: Connection, *, call_id: UUID) -> PlacementState | None:
    """None also for a call that came in."""
    row = await conn.fetchrow(
        """
        SELECT id, org_id, provider_account_id, customer_number, provider_assistant_id,
               provider_call_id, placement, placement_reason, placement_infrastructure,
               placement_retry_after_seconds, placement_requested_at, lookups,
               status NOT IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AS closed
          FROM calls.calls
         WHERE id = $1 AND placement IS NOT NULL
        """,
        call_id,
    )
    return _state(row) if row else None


async def lock_state(conn: Connection, *, call_id: UUID) -> PlacementState | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, provider_account_id, customer_number, provider_assistant_id,
               provider_call_id, placement, placement_reason, placement_infrastructure,
               placement_retry_after_seconds, placement_requested_at, lookups,
               status NOT IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AS closed
          FROM calls.calls
         WHERE id = $1 AND placement IS NOT NULL
           FOR UPDATE
        """,
        call_id,
    )
    return _state(row) if row else None


async def attach(conn: Connection, *, call_id: UUID, provider_call_id: str) -> bool:
    """The provider took the call under this id. False if that was known before, or if the id already stands
    in another row of the organization: the first one to hold it keeps it."""
    try:
        # A savepoint, because a refused unique key would end the whole transaction.
        async with conn.transaction():
            attached: bool | None = await conn.fetchval(
                """
                UPDATE calls.calls
                   SET provider_call_id = $2, placement = 'PLACED', placement_reason = '',
                       placement_infrastructure = false, placed_at = now(), updated_at = now()
                 WHERE id = $1 AND placement IN ('PENDING', 'UNKNOWN')
                RETURNING true
                """,
                call_id,
                provider_call_id,
            )
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "calls_provider_call_id_unique":
            raise
        return False
    return attached or False


async def record(conn: Connection, *, call_id: UUID, placement: Placement) -> bool:
    """Sets a placement that is not yet certain to REFUSED or UNKNOWN. False if it was certain already."""
    recorded: bool | None = await conn.fetchval(
        """
        UPDATE calls.calls
           SET placement = $2, placement_reason = $3, placement_infrastructure = $4,
               placement_retry_after_seconds = $5, updated_at = now()
         WHERE id = $1 AND placement IN ('PENDING', 'UNKNOWN')
        RETURNING true
        """,
        call_id,
        placement.result.value,
        placement.reason,
        placement.infrastructure,
        placement.retry_after_seconds,
    )
    return recorded or False


async def close(conn: Connection, *, call_id: UUID, closed_as: ClosedAs) -> bool:
    """Ends a call by our own decision. False if it had ended. The caller frees its line and says so in the
    outbox."""
    closed: bool | None = await conn.fetchval(
        """
        UPDATE calls.calls
           SET status = $2, closed_as = $2, closed_at = now(), ended_at = coalesce(ended_at, now()),
               updated_at = now()
         WHERE id = $1 AND status IN ('QUEUED', 'RINGING', 'IN_PROGRESS')
        RETURNING true
        """,
        call_id,
        closed_as,
    )
    return closed or False


async def claim_unsettled(
    conn: Connection, *, pending_seconds: float, look_seconds: float, limit: int
) -> list[PlacementState]:
    """Placements to look up at the provider: UNKNOWN ones, and PENDING ones so old that their POST cannot be
    under way any more. Each is handed out once per `look_seconds`."""
    rows = await conn.fetch(
        """
        UPDATE calls.calls
           SET looked_up_at = now()
         WHERE id IN (
               SELECT id
                 FROM calls.calls
                WHERE placement IN ('PENDING', 'UNKNOWN')
                  AND status IN ('QUEUED', 'RINGING', 'IN_PROGRESS')
                  AND (placement = 'UNKNOWN' OR placement_requested_at < now() - make_interval(secs => $1))
                  AND (looked_up_at IS NULL OR looked_up_at < now() - make_interval(secs => $2))
                ORDER BY placement_requested_at, id
                LIMIT $3
                  FOR UPDATE SKIP LOCKED)
        RETURNING id, org_id, provider_account_id, customer_number, provider_assistant_id,
                  provider_call_id, placement, placement_reason, placement_infrastructure,
                  placement_retry_after_seconds, placement_requested_at, lookups,
                  status NOT IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AS closed
        """,
        pending_seconds,
        look_seconds,
        limit,
    )
    return [_state(row) for row in rows]


async def count_look(conn: Connection, *, call_id: UUID) -> tuple[datetime, PlacementState | None]:
    """Counts a look that saw the whole window and found nothing; failed looks prove nothing and do not count.
    Returns the database's time and the placement as it stands."""
    now: datetime = await conn.fetchval(
        "UPDATE calls.calls SET lookups = lookups + 1 WHERE id = $1 RETURNING now()", call_id
    )
    return now, await find_state(conn, call_id=call_id)


async def claim_silent(
    conn: Connection, *, stuck_seconds: float, cancel_seconds: float, limit: int
) -> list[ActiveCall]:
    """Active calls that nothing has been learned about for so long (by our clock), and those that somebody
    wants ended. Each is handed out once per `stuck_seconds` or `cancel_seconds`."""
    rows = await conn.fetch(
        """
        UPDATE calls.calls
           SET looked_up_at = now()
         WHERE id IN (
               SELECT id
                 FROM calls.calls
                WHERE status IN ('QUEUED', 'RINGING', 'IN_PROGRESS')
                  AND provider_call_id IS NOT NULL
                  AND CASE WHEN cancel_requested_at IS NULL
                           THEN greatest(updated_at, looked_up_at) < now() - make_interval(secs => $1)
                           ELSE greatest(cancel_requested_at, looked_up_at)
                                < now() - make_interval(secs => $2)
                       END
                ORDER BY updated_at, id
                LIMIT $3
                  FOR UPDATE SKIP LOCKED)
        RETURNING id AS call_id, org_id, provider_account_id AS account_id, provider_call_id, status,
                  created_at, started_at, max_duration_seconds,
                  cancel_requested_at IS NOT NULL AS cancel_requested, now() AS asked_at
        """,
        stuck_seconds,
        cancel_seconds,
        limit,
    )
    return [ActiveCall(**row) for row in rows]


async def request_cancel(conn: Connection, *, call_id: UUID) -> None:
    await conn.execute(
        "UPDATE calls.calls SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1",
        call_id,
    )


def _state(row: Mapping[str, Any]) -> PlacementState:
    return PlacementState(
        call_id=row["id"],
        org_id=row["org_id"],
        account_id=row["provider_account_id"],
        customer_number=row["customer_number"],
        provider_assistant_id=row["provider_assistant_id"],
        placement=Placement(
            result=PlacementResult(row["placement"]),
            reason=row["placement_reason"],
            infrastructure=row["placement_infrastructure"],
            retry_after_seconds=row["placement_retry_after_seconds"],
        ),
        provider_call_id=row["provider_call_id"],
        requested_at=row["placement_requested_at"],
        lookups=row["lookups"],
        closed=row["closed"],
    )
