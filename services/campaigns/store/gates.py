"""What holds for all contacts of a campaign at once: policies and kill switches. Decisions of an organization
and changes of what they rest on keep apart by an advisory lock, so that nothing decided by an old rule is
written after the new one."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import pinning
from services.campaigns.domain.budgets import Budget
from services.campaigns.domain.calling_hours import CallingHours, Window
from services.campaigns.domain.contactability import FrequencyCap
from services.campaigns.domain.dialing_policies import (
    CALL_SECONDS_MAX_DEFAULT,
    CampaignPolicy,
    Gate,
    KillSwitch,
    Policy,
)
from services.campaigns.store.rows import existing


async def lock_deciding(conn: Connection, org_id: UUID) -> None:
    """While somebody decides on a dial, beside others who do; until the end of the transaction. One who holds
    this must not ask for the other."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock_shared(hashtextextended('dialing ' || $1, 0))", str(org_id)
    )


async def lock_changing(conn: Connection, org_id: UUID) -> None:
    """While rules are changed, or a dial is decided that must see all the others."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('dialing ' || $1, 0))", str(org_id))


async def read(conn: Connection, campaign_id: UUID, *, org_id: UUID) -> Gate:
    row = existing(
        await conn.fetchrow(
            """
            SELECT policy.consent_required, policy.calling_hours, policy.frequency_max,
                   policy.frequency_period_seconds, policy.budget_usd, policy.budget_period_days,
                   policy.call_cost_max_usd, policy.version, policy.updated_at,
                   own.consent_required AS own_consent_required, own.calling_hours AS own_calling_hours,
                   own.budget_usd AS own_budget_usd, own.call_cost_max_usd AS own_call_cost_max_usd,
                   own.version AS own_version, own.updated_at AS own_updated_at,
                   EXISTS (SELECT FROM campaigns.holds WHERE holds.campaign_id = campaign.id) AS held,
                   (SELECT coalesce(version.config, assistant.config) -> 'maxDurationSeconds'
                      FROM campaigns.campaigns AS whole
                      JOIN campaigns.assistants AS assistant ON assistant.id = whole.assistant_id
                      LEFT JOIN campaigns.assistant_versions AS version
                        ON version.assistant_id = whole.assistant_id
                       AND version.version = whole.assistant_version
                     WHERE whole.id = campaign.id) AS call_seconds_max,
                   EXISTS (SELECT FROM campaigns.kill_switches AS switch
                            WHERE switch.released_at IS NULL AND switch.org_id = campaign.org_id
                              AND (switch.campaign_id IS NULL OR switch.campaign_id = campaign.id)) AS killed
              FROM (SELECT $1::uuid AS id, $2::uuid AS org_id) AS campaign
              LEFT JOIN campaigns.dialing_policies AS policy ON policy.org_id = campaign.org_id
              LEFT JOIN campaigns.campaign_dialing_policies AS own ON own.campaign_id = campaign.id
            """,
            campaign_id,
            org_id,
        )
    )
    return Gate(
        policy=_policy(row) if row["version"] else Policy(),
        campaign_policy=_own_policy(row) if row["own_version"] else CampaignPolicy(),
        killed=row["killed"],
        held=row["held"],
        call_seconds_max=_seconds(row["call_seconds_max"]),
    )


async def find_policy(conn: Connection, org_id: UUID) -> Policy:
    row = await conn.fetchrow(
        """
        SELECT consent_required, calling_hours, frequency_max, frequency_period_seconds, budget_usd,
               budget_period_days, call_cost_max_usd, version, updated_at
          FROM campaigns.dialing_policies
         WHERE org_id = $1
        """,
        org_id,
    )
    return _policy(row) if row else Policy()


async def save_policy(conn: Connection, policy: Policy, *, org_id: UUID) -> None:
    """Its version and time are set by the database."""
    cap = policy.frequency_cap
    await conn.execute(
        """
        INSERT INTO campaigns.dialing_policies AS present
               (org_id, consent_required, calling_hours, frequency_max, frequency_period_seconds, budget_usd,
                budget_period_days, call_cost_max_usd)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT ON CONSTRAINT dialing_policies_pkey DO UPDATE
           SET consent_required = excluded.consent_required, calling_hours = excluded.calling_hours,
               frequency_max = excluded.frequency_max,
               frequency_period_seconds = excluded.frequency_period_seconds,
               budget_usd = excluded.budget_usd, budget_period_days = excluded.budget_period_days,
               call_cost_max_usd = excluded.call_cost_max_usd,
               version = present.version + 1, updated_at = now()
        """,
        org_id,
        policy.consent_required,
        _stored_hours(policy.calling_hours),
        cap.contacts_max if cap else None,
        int(cap.period.total_seconds()) if cap else None,
        policy.budget.limit_usd if policy.budget else None,
        policy.budget.period_days if policy.budget else None,
        policy.call_cost_max_usd,
    )


async def find_campaign_policy(conn: Connection, campaign_id: UUID) -> CampaignPolicy:
    row = await conn.fetchrow(
        """
        SELECT consent_required AS own_consent_required, calling_hours AS own_calling_hours,
               budget_usd AS own_budget_usd, call_cost_max_usd AS own_call_cost_max_usd,
               version AS own_version, updated_at AS own_updated_at
          FROM campaigns.campaign_dialing_policies
         WHERE campaign_id = $1
        """,
        campaign_id,
    )
    return _own_policy(row) if row else CampaignPolicy()


async def save_campaign_policy(
    conn: Connection, policy: CampaignPolicy, *, campaign_id: UUID, org_id: UUID
) -> None:
    """Its version and time are set by the database."""
    await conn.execute(
        """
        INSERT INTO campaigns.campaign_dialing_policies AS present
               (campaign_id, org_id, consent_required, calling_hours, budget_usd, call_cost_max_usd)
        VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT ON CONSTRAINT campaign_dialing_policies_pkey DO UPDATE
           SET consent_required = excluded.consent_required, calling_hours = excluded.calling_hours,
               budget_usd = excluded.budget_usd, call_cost_max_usd = excluded.call_cost_max_usd,
               version = present.version + 1, updated_at = now()
        """,
        campaign_id,
        org_id,
        policy.consent_required,
        _stored_hours(policy.calling_hours),
        policy.budget.limit_usd if policy.budget else None,
        policy.call_cost_max_usd,
    )


async def find_kill_switch(conn: Connection, *, org_id: UUID, campaign_id: UUID | None) -> KillSwitch:
    row = await conn.fetchrow(
        """
        SELECT reason, engaged_at
          FROM campaigns.kill_switches
         WHERE org_id = $1 AND campaign_id IS NOT DISTINCT FROM $2 AND released_at IS NULL
        """,
        org_id,
        campaign_id,
    )
    return KillSwitch(engaged=True, **row) if row else KillSwitch(engaged=False)


async def engage_kill_switch(
    conn: Connection, *, org_id: UUID, campaign_id: UUID | None, reason: str
) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.kill_switches (org_id, campaign_id, reason)
        VALUES ($1, $2, $3)
            ON CONFLICT (org_id, campaign_id) WHERE released_at IS NULL DO NOTHING
        """,
        org_id,
        campaign_id,
        reason,
    )


async def release_kill_switch(conn: Connection, *, org_id: UUID, campaign_id: UUID | None) -> None:
    await conn.execute(
        """
        UPDATE campaigns.kill_switches
           SET released_at = clock_timestamp()
         WHERE org_id = $1 AND campaign_id IS NOT DISTINCT FROM $2 AND released_at IS NULL
        """,
        org_id,
        campaign_id,
    )


def _policy(row: Mapping[str, Any]) -> Policy:
    cap = None
    if row["frequency_max"] is not None:
        period = timedelta(seconds=row["frequency_period_seconds"])
        cap = FrequencyCap(contacts_max=row["frequency_max"], period=period)
    return Policy(
        consent_required=row["consent_required"],
        calling_hours=calling_hours(row["calling_hours"]),
        frequency_cap=cap,
        budget=_budget(row["budget_usd"], row["budget_period_days"]),
        call_cost_max_usd=row["call_cost_max_usd"],
        version=row["version"],
        updated_at=row["updated_at"],
    )


def _own_policy(row: Mapping[str, Any]) -> CampaignPolicy:
    return CampaignPolicy(
        consent_required=row["own_consent_required"],
        calling_hours=calling_hours(row["own_calling_hours"]),
        budget=_budget(row["own_budget_usd"], None),
        call_cost_max_usd=row["own_call_cost_max_usd"],
        version=row["own_version"],
        updated_at=row["own_updated_at"],
    )


def _seconds(told: object) -> int:
    return pinning.max_duration_seconds({"maxDurationSeconds": told}) or CALL_SECONDS_MAX_DEFAULT


def _budget(limit_usd: Decimal | None, period_days: int | None) -> Budget | None:
    return None if limit_usd is None else Budget(limit_usd=limit_usd, period_days=period_days)


def calling_hours(stored: list[list[int]]) -> CallingHours:
    """As they are stored."""
    return CallingHours(tuple(Window(day=day, opens=opens, closes=closes) for day, opens, closes in stored))


def _stored_hours(hours: CallingHours) -> list[list[int]]:
    return [[one.day, one.opens, one.closes] for one in hours.weekly]
