"""What calls were told that asked who takes them."""

from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.inbound_routes import GivenAnswer, InboundAnswer, Reason


async def keep(
    conn: Connection, answer: InboundAnswer, *, org_id: UUID, provider: str, provider_call_id: str
) -> InboundAnswer:
    """The answer that stands: this one, or an earlier one by which somebody takes the call."""
    await conn.execute(
        """
        INSERT INTO calls.inbound_answers AS given (
               org_id, provider, provider_call_id, route_id, route_name, reason, answer)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT ON CONSTRAINT inbound_answers_pkey DO UPDATE
           SET route_id = excluded.route_id, route_name = excluded.route_name, reason = excluded.reason,
               answer = excluded.answer, answered_at = excluded.answered_at
         WHERE given.reason = 'NOBODY'
        """,
        org_id,
        provider,
        provider_call_id,
        answer.route_id,
        answer.route_name,
        answer.reason.value,
        answer.answer,
    )
    kept = await find(conn, org_id=org_id, provider=provider, provider_call_id=provider_call_id)
    return kept.answer if kept else answer


async def find(conn: Connection, *, org_id: UUID, provider: str, provider_call_id: str) -> GivenAnswer | None:
    row = await conn.fetchrow(
        """
        SELECT route_id, route_name, reason, answer, answered_at
          FROM calls.inbound_answers
         WHERE org_id = $1 AND provider = $2 AND provider_call_id = $3
        """,
        org_id,
        provider,
        provider_call_id,
    )
    if row is None:
        return None
    answered_at: datetime = row["answered_at"]
    answer = InboundAnswer(
        route_id=row["route_id"],
        route_name=row["route_name"],
        reason=Reason(row["reason"]),
        answer=row["answer"],
    )
    return GivenAnswer(answer=answer, answered_at=answered_at)


async def is_known(conn: Connection, number: str, *, org_id: UUID, but_in: str) -> bool:
    """Whether somebody with this number had a call with the organization, other than the one that is coming
    in, or is one of its leads."""
    if not number:
        return False
    return bool(
        await conn.fetchval(
            """
            SELECT EXISTS (SELECT FROM calls.calls
                            WHERE org_id = $1 AND customer_number = $2
                              AND provider_call_id IS DISTINCT FROM $3)
                OR EXISTS (SELECT FROM calls.leads WHERE org_id = $1 AND customer_number = $2)
            """,
            org_id,
            number,
            but_in,
        )
    )
