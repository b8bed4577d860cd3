"""Reservations for calls, and their sums by campaign and day. Only whoever holds the campaign's lock changes
them."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.budgets import Awaited, Spending, TrueUp
from services.campaigns.store.rows import existing


async def reserve(
    conn: Connection, attempt_id: UUID, *, org_id: UUID, campaign_id: UUID, amount_usd: Decimal, now: datetime
) -> None:
    await conn.execute(
        """
        WITH reserved AS (
            INSERT INTO campaigns.reservations (attempt_id, org_id, campaign_id, day, amount_usd)
            VALUES ($1, $2, $3, ($5::timestamptz AT TIME ZONE 'UTC')::date, $4)
            RETURNING org_id, campaign_id, day, amount_usd
        )
        INSERT INTO campaigns.spendings AS present (campaign_id, day, org_id, reserved_usd)
        SELECT campaign_id, day, org_id, amount_usd FROM reserved
            ON CONFLICT ON CONSTRAINT spendings_pkey DO UPDATE
           SET reserved_usd = present.reserved_usd + excluded.reserved_usd
        """,
        attempt_id,
        org_id,
        campaign_id,
        amount_usd,
        now,
    )


async def true_up(conn: Connection, attempt_id: UUID, outcome: TrueUp, *, cost_usd: Decimal | None) -> bool:
    """Whether anything changed: an attempt without a reservation has none to settle, and a cost that is
    known is settled once, unless it is told anew."""
    changed: bool | None = await conn.fetchval(
        """
        WITH settled AS (
            UPDATE campaigns.reservations
               SET state = $2, cost_usd = $3, settled_at = clock_timestamp()
             WHERE attempt_id = $1
               AND (state = 'OPEN' OR ($2 = 'SETTLED' AND cost_usd IS DISTINCT FROM $3))
            RETURNING campaign_id, day, amount_usd, old.state AS state_before, old.cost_usd AS cost_before
        )
        UPDATE campaigns.spendings
           SET reserved_usd = spendings.reserved_usd
                              - CASE settled.state_before WHEN 'OPEN' THEN settled.amount_usd ELSE 0 END,
               spent_usd = spendings.spent_usd + coalesce($3, 0) - coalesce(settled.cost_before, 0)
          FROM settled
         WHERE spendings.campaign_id = settled.campaign_id AND spendings.day = settled.day
        RETURNING true
        """,
        attempt_id,
        outcome.value,
        cost_usd,
    )
    return changed or False


async def read_campaign(conn: Connection, campaign_id: UUID) -> Spending:
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(reserved_usd), 0) AS reserved_usd, coalesce(sum(spent_usd), 0) AS spent_usd
          FROM campaigns.spendings
         WHERE campaign_id = $1
        """,
        campaign_id,
    )
    return Spending(**existing(row))


async def read_organization(conn: Connection, org_id: UUID, *, period_days: int, now: datetime) -> Spending:
    """Over so many days of UTC, that of `now` included."""
    row = await conn.fetchrow(
        """
        SELECT coalesce(sum(reserved_usd), 0) AS reserved_usd, coalesce(sum(spent_usd), 0) AS spent_usd
          FROM campaigns.spendings
         WHERE org_id = $1 AND day > ($3::timestamptz AT TIME ZONE 'UTC')::date - $2::integer
        """,
        org_id,
        period_days,
        now,
    )
    return Spending(**existing(row))


async def read_awaited(conn: Connection, campaign_id: UUID) -> Awaited:
    row = await conn.fetchrow(
        """
        SELECT count(*) AS calls, coalesce(sum(reservations.amount_usd), 0) AS reserved_usd
          FROM campaigns.reservations
          JOIN campaigns.attempts ON attempts.id = reservations.attempt_id
         WHERE reservations.campaign_id = $1 AND reservations.state = 'OPEN'
           AND attempts.state NOT IN ('INTENT', 'PLACED', 'UNKNOWN')
        """,
        campaign_id,
    )
    return Awaited(**existing(row))
