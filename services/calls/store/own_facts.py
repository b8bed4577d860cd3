"""What no webhook tells about calls: which is which, and what we did about it ourselves. The database keeps
these rows whenever a call's row is written (see migration 0007); here they are only read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Call, Direction, Priority, Status
from services.calls.domain.placement import PlacementResult


async def list_ids_after(
    conn: Connection, *, org_id: UUID | None, after: UUID | None, limit: int
) -> list[UUID]:
    """In the order of the ids; of every organization if `org_id` is None."""
    rows = await conn.fetch(
        """
        SELECT call_id
          FROM calls.own_facts
         WHERE ($1::uuid IS NULL OR org_id = $1) AND ($2::uuid IS NULL OR call_id > $2)
         ORDER BY call_id
         LIMIT $3
        """,
        org_id,
        after,
        limit,
    )
    return [row["call_id"] for row in rows]


async def list_calls(conn: Connection, call_ids: Sequence[UUID]) -> list[Call]:
    """Each call as it stands before the provider has told anything, in the order of the ids."""
    rows = await conn.fetch(
        """
        SELECT call_id AS id, org_id, provider, provider_account_id, provider_call_id, created_at, direction,
               assistant_id, provider_assistant_id, campaign_id, contact_id, phone_number_id, customer_number,
               customer_name, max_duration_seconds, placement, placement_reason, placement_infrastructure,
               placement_retry_after_seconds, placement_requested_at, placed_at, closed_as, closed_at,
               priority, priority_reason, sla_seconds
          FROM calls.own_facts
         WHERE call_id = ANY($1::uuid[])
         ORDER BY call_id
        """,
        list(call_ids),
    )
    return [_call(row) for row in rows]


async def find_calls(conn: Connection, keys: Sequence[tuple[UUID, str, str]]) -> list[Call]:
    """Those of these (organization, provider, provider's id) that were known once, as `list_calls` has
    them."""
    ids = await find_ids(conn, keys)
    return await list_calls(conn, ids) if ids else []


async def find_ids(conn: Connection, keys: Sequence[tuple[UUID, str, str]]) -> list[UUID]:
    """Of those of these (organization, provider, provider's id) that were known once."""
    rows = await conn.fetch(
        """
        SELECT own.call_id
          FROM unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (org_id, provider, provider_call_id)
          -- By the provider's id alone, which says most: without statistics an organization's looks as good.
          JOIN calls.own_facts AS own ON own.provider_call_id = wanted.provider_call_id
           AND own.org_id IS NOT DISTINCT FROM wanted.org_id
           AND own.provider IS NOT DISTINCT FROM wanted.provider
        """,
        [org_id for org_id, _, _ in keys],
        [provider for _, provider, _ in keys],
        [provider_call_id for _, _, provider_call_id in keys],
    )
    return [row["call_id"] for row in rows]


async def write_back(conn: Connection, call_ids: Sequence[UUID]) -> None:
    """Gives the rows of these calls what is known here and what the provider does not tell. They have to be
    locked."""
    await conn.execute(
        """
        UPDATE calls.calls AS call
           SET provider_account_id = own.provider_account_id, assistant_id = own.assistant_id,
               campaign_id = own.campaign_id, contact_id = own.contact_id,
               max_duration_seconds = own.max_duration_seconds,
               placement_retry_after_seconds = own.placement_retry_after_seconds,
               placement_requested_at = own.placement_requested_at, closed_as = own.closed_as,
               closed_at = own.closed_at, cancel_requested_at = own.cancel_requested_at,
               created_at = own.created_at
          FROM calls.own_facts AS own
         WHERE call.id = own.call_id AND call.id = ANY($1::uuid[])
        """,
        list(call_ids),
    )


def _call(row: Mapping[str, Any]) -> Call:
    fields = dict(row)
    fields["direction"] = Direction(fields["direction"])
    fields["placement"] = fields["placement"] and PlacementResult(fields["placement"])
    fields["closed_as"] = fields["closed_as"] and Status(fields["closed_as"])
    fields["priority"] = fields["priority"] and Priority(fields["priority"])
    return Call(**fields)
