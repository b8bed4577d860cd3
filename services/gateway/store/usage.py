"""How often API keys were used."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.gateway.domain.api_keys import Usage


async def get(conn: Connection, key_id: UUID, *, hour: datetime) -> Usage:
    row = await conn.fetchrow(
        """
        SELECT api_key.usage_count, coalesce(usage.requests, 0) AS in_hour
          FROM gateway.api_keys AS api_key
          LEFT JOIN gateway.api_key_usage AS usage ON usage.key_id = api_key.id AND usage.hour = $2
         WHERE api_key.id = $1
        """,
        key_id,
        hour,
    )
    return Usage(total=row["usage_count"], hour=hour, in_hour=row["in_hour"]) if row else Usage(0, hour, 0)


async def add(
    conn: Connection, counts: Sequence[tuple[UUID, UUID, int]], *, hour: datetime, now: datetime
) -> Mapping[UUID, Usage]:
    """Adds (key, organization, requests) to the hour; answers what stands there now, other processes' share
    included.

    Keys are locked in one order, so that two processes that add at once do not wait for each other in a
    circle.
    """
    ordered = sorted(counts)
    rows = await conn.fetch(
        """
        WITH added AS (
            SELECT key_id, org_id, requests
              FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS added (key_id, org_id, requests)
        ), locked AS (
            SELECT id FROM gateway.api_keys WHERE id IN (SELECT key_id FROM added) ORDER BY id FOR NO KEY
            UPDATE
        ), hours AS (
            INSERT INTO gateway.api_key_usage AS usage (key_id, org_id, hour, requests)
            SELECT added.key_id, added.org_id, $4, added.requests
              FROM added JOIN locked ON locked.id = added.key_id
                ON CONFLICT (key_id, hour) DO UPDATE SET requests = usage.requests + excluded.requests
            RETURNING usage.key_id, usage.requests
        )
        UPDATE gateway.api_keys AS api_key
           SET usage_count = api_key.usage_count + added.requests, last_used_at = $5
          FROM added JOIN hours ON hours.key_id = added.key_id
         WHERE api_key.id = added.key_id
        RETURNING api_key.id, api_key.usage_count, hours.requests AS in_hour
        """,
        [key_id for key_id, _, _ in ordered],
        [org_id for _, org_id, _ in ordered],
        [requests for _, _, requests in ordered],
        hour,
        now,
    )
    return {row["id"]: Usage(total=row["usage_count"], hour=hour, in_hour=row["in_hour"]) for row in rows}
