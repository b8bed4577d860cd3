"""Why campaigns as a whole do not dial now."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.budgets import Hold

# Whatever lifts a hold deletes it; this is for what nobody thought of.
_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class StoredHold:
    hold: Hold
    since: datetime


async def save(conn: Connection, hold: Hold, *, campaign_id: UUID, org_id: UUID) -> bool:
    """Whether it is another one than before. `since` is when the campaign was held for this reason first."""
    changed: bool = await conn.fetchval(
        """
        WITH before AS (SELECT reason FROM campaigns.holds WHERE campaign_id = $1),
        saved AS (
            INSERT INTO campaigns.holds AS present (campaign_id, org_id, reason, until_at, look_at)
            VALUES ($1, $2, $3, $4, least($4, clock_timestamp() + make_interval(secs => $5)))
                ON CONFLICT ON CONSTRAINT holds_pkey DO UPDATE
               SET reason = excluded.reason, until_at = excluded.until_at, look_at = excluded.look_at,
                   since = CASE present.reason WHEN excluded.reason THEN present.since ELSE now() END
        )
        SELECT coalesce((SELECT reason FROM before) <> $3, true)
        """,
        campaign_id,
        org_id,
        hold.reason,
        hold.until,
        _LOOK_SECONDS,
    )
    return changed


async def find(conn: Connection, campaign_id: UUID) -> StoredHold | None:
    row = await conn.fetchrow(
        "SELECT reason, since, until_at FROM campaigns.holds WHERE campaign_id = $1", campaign_id
    )
    return StoredHold(Hold(reason=row["reason"], until=row["until_at"]), row["since"]) if row else None


async def lift(conn: Connection, campaign_id: UUID) -> None:
    await conn.execute("DELETE FROM campaigns.holds WHERE campaign_id = $1", campaign_id)


async def lift_all(conn: Connection, org_id: UUID) -> None:
    """Each of the organization's campaigns finds out anew."""
    await conn.execute("DELETE FROM campaigns.holds WHERE org_id = $1", org_id)


async def lift_unlocked(conn: Connection, org_id: UUID) -> None:
    """As `lift_all`, without those that somebody else is changing: for whoever holds a campaign's lock,
    because two of them would wait for each other. What is left over is looked at again by itself."""
    await conn.execute(
        """
        DELETE FROM campaigns.holds
         WHERE campaign_id IN (SELECT campaign_id FROM campaigns.holds
                                WHERE org_id = $1
                                  FOR UPDATE SKIP LOCKED)
        """,
        org_id,
    )
