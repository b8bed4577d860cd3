"""Campaigns. Whoever changes anything of a campaign under way locks its row first: campaign, then slot,
attempt, contact."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.campaigns import Campaign, CampaignChange, Mode, NewCampaign, Status
from services.campaigns.domain.dialing import Candidate
from services.campaigns.domain.pace import Pace
from services.campaigns.store import retry_rules
from services.campaigns.store.rows import existing


@dataclass(frozen=True, slots=True)
class Locked:
    """A campaign that nobody else changes until the transaction ends, and the database's time."""

    campaign: Campaign
    now: datetime


def _campaign(row: Mapping[str, Any]) -> Campaign:
    return Campaign(
        **{
            **row,
            "mode": Mode(row["mode"]),
            "status": Status(row["status"]),
            "retry_rules": retry_rules.from_json(row["retry_rules"]),
        }
    )


async def insert(conn: Connection, new: NewCampaign, *, org_id: UUID) -> Campaign:
    row = await conn.fetchrow(
        """
        INSERT INTO campaigns.campaigns
               (org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts, retry_delay_seconds,
                retry_rules, auto_enroll, line_quiet)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        RETURNING id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts,
                  retry_delay_seconds, status, total_contacts, assistant_version, provider_assistant_id,
                  traceparent, started_at, connected_at, completed_at, failure_reason, batch_no, batch_size,
                  line_limit, probe_at, refusals, revision, created_at,
                  retry_rules, auto_enroll, line_quiet, deleted_at
        """,
        org_id,
        new.name,
        new.mode.value,
        new.cap,
        new.assistant_id,
        new.phone_number_id,
        new.max_attempts,
        new.retry_delay_seconds,
        retry_rules.to_json(new.retry_rules),
        new.auto_enroll,
        new.line_quiet,
    )
    return _campaign(existing(row))


async def find(conn: Connection, campaign_id: UUID) -> Campaign | None:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts,
               retry_delay_seconds, status, total_contacts, assistant_version, provider_assistant_id,
               traceparent, started_at, connected_at, completed_at, failure_reason, batch_no, batch_size,
               line_limit, probe_at, refusals, revision, created_at,
               retry_rules, auto_enroll, line_quiet, deleted_at
          FROM campaigns.campaigns
         WHERE id = $1 AND deleted_at IS NULL
        """,
        campaign_id,
    )
    return _campaign(row) if row else None


async def lock(conn: Connection, campaign_id: UUID) -> Locked | None:
    """Also one that was deleted: its last calls may still be told of."""
    row = await conn.fetchrow(
        # NO KEY, so that rows which refer to it can still be added. The clock stands outside: it is read when
        # the wait for the lock is over, and what fell due meanwhile counts.
        """
        SELECT locked.*, clock_timestamp() AS now
          FROM (SELECT id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts,
                       retry_delay_seconds, status, total_contacts, assistant_version, provider_assistant_id,
                       traceparent, started_at, connected_at, completed_at, failure_reason, batch_no,
                       batch_size, line_limit, probe_at, refusals, revision, created_at,
                       retry_rules, auto_enroll, line_quiet, deleted_at
                  FROM campaigns.campaigns
                 WHERE id = $1
                   FOR NO KEY UPDATE) AS locked
        """,
        campaign_id,
    )
    if row is None:
        return None
    columns = dict(row)
    now = columns.pop("now")
    return Locked(_campaign(columns), now)


async def list_after(
    conn: Connection, *, after: UUID | None, status: Status | None, limit: int
) -> list[Campaign]:
    """Newest first: ids are made in the order of time."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts,
               retry_delay_seconds, status, total_contacts, assistant_version, provider_assistant_id,
               traceparent, started_at, connected_at, completed_at, failure_reason, batch_no, batch_size,
               line_limit, probe_at, refusals, revision, created_at,
               retry_rules, auto_enroll, line_quiet, deleted_at
          FROM campaigns.campaigns
         WHERE ($1::uuid IS NULL OR id < $1) AND ($2::text IS NULL OR status = $2)
           AND deleted_at IS NULL
         ORDER BY id DESC
         LIMIT $3
        """,
        after,
        status.value if status else None,
        limit,
    )
    return [_campaign(row) for row in rows]


async def update(conn: Connection, campaign_id: UUID, change: CampaignChange) -> Campaign:
    """Of a locked campaign."""
    row = await conn.fetchrow(
        """
        UPDATE campaigns.campaigns
           SET name = coalesce($2, name), cap = coalesce($3, cap), max_attempts = coalesce($4, max_attempts),
               retry_delay_seconds = coalesce($5, retry_delay_seconds),
               retry_rules = coalesce($6, retry_rules), auto_enroll = coalesce($7, auto_enroll),
               line_quiet = coalesce($8, line_quiet), assistant_id = coalesce($9, assistant_id),
               phone_number_id = coalesce($10, phone_number_id),
               revision = revision + 1, updated_at = now()
         WHERE id = $1
        RETURNING id, org_id, name, mode, cap, assistant_id, phone_number_id, max_attempts,
                  retry_delay_seconds, status, total_contacts, assistant_version, provider_assistant_id,
                  traceparent, started_at, connected_at, completed_at, failure_reason, batch_no, batch_size,
                  line_limit, probe_at, refusals, revision, created_at,
                  retry_rules, auto_enroll, line_quiet, deleted_at
        """,
        campaign_id,
        change.name,
        change.cap,
        change.max_attempts,
        change.retry_delay_seconds,
        None if change.retry_rules is None else retry_rules.to_json(change.retry_rules),
        change.auto_enroll,
        change.line_quiet,
        change.assistant_id,
        change.phone_number_id,
    )
    return _campaign(existing(row))


async def start(
    conn: Connection,
    campaign_id: UUID,
    *,
    assistant_version: int,
    provider_assistant_id: str,
    traceparent: str,
) -> None:
    await conn.execute(
        """
        UPDATE campaigns.campaigns
           SET status = 'QUEUED', assistant_version = $2, provider_assistant_id = $3, traceparent = $4,
               failure_reason = '', revision = revision + 1, updated_at = now()
         WHERE id = $1
        """,
        campaign_id,
        assistant_version,
        provider_assistant_id,
        traceparent,
    )


async def set_status(
    conn: Connection, campaign_id: UUID, status: Status, *, failure_reason: str = ""
) -> None:
    """Also notes the time of completion."""
    await conn.execute(
        """
        UPDATE campaigns.campaigns
           SET status = $2, failure_reason = $3, revision = revision + 1, updated_at = now(),
               completed_at = CASE WHEN $2 = 'COMPLETED' THEN clock_timestamp() END
         WHERE id = $1
        """,
        campaign_id,
        status.value,
        failure_reason,
    )


async def mark_deleted(conn: Connection, campaign_id: UUID) -> None:
    await conn.execute(
        """
        UPDATE campaigns.campaigns
           SET deleted_at = clock_timestamp(), revision = revision + 1, updated_at = now()
         WHERE id = $1
        """,
        campaign_id,
    )


async def note_progress(
    conn: Connection,
    campaign_id: UUID,
    *,
    status: Status,
    started_at: datetime | None,
    connected_at: datetime | None,
) -> None:
    """Not a change that an etag should notice: nobody edits this."""
    await conn.execute(
        """
        UPDATE campaigns.campaigns
           SET status = $2, started_at = $3, connected_at = $4, updated_at = now()
         WHERE id = $1
        """,
        campaign_id,
        status.value,
        started_at,
        connected_at,
    )


async def set_pace(conn: Connection, campaign_id: UUID, pace: Pace) -> None:
    await conn.execute(
        "UPDATE campaigns.campaigns SET line_limit = $2, probe_at = $3, refusals = $4 WHERE id = $1",
        campaign_id,
        pace.line_limit,
        pace.probe_at,
        pace.refusals,
    )


async def open_batch(conn: Connection, campaign_id: UUID, *, batch_no: int, batch_size: int) -> None:
    await conn.execute(
        "UPDATE campaigns.campaigns SET batch_no = $2, batch_size = $3 WHERE id = $1",
        campaign_id,
        batch_no,
        batch_size,
    )


async def add_contacts(conn: Connection, campaign_id: UUID, *, count: int) -> None:
    await conn.execute(
        """
        UPDATE campaigns.campaigns SET total_contacts = total_contacts + $2, updated_at = now() WHERE id = $1
        """,
        campaign_id,
        count,
    )


async def names_using_assistant(conn: Connection, assistant_id: UUID, *, limit: int) -> list[str]:
    """Of campaigns that are not over, or completed within a day."""
    rows = await conn.fetch(
        """
        SELECT name
          FROM campaigns.campaigns
         WHERE assistant_id = $1 AND deleted_at IS NULL
           AND (status NOT IN ('COMPLETED', 'CANCELED', 'FAILED')
                OR completed_at > now() - interval '24 hours')
         ORDER BY id DESC
         LIMIT $2
        """,
        assistant_id,
        limit,
    )
    return [row["name"] for row in rows]


async def read_clock(conn: Connection) -> datetime:
    now: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return now


async def list_dialable(conn: Connection, *, limit: int) -> Sequence[Candidate]:
    """Campaigns with a free slot and somebody to call now; those looked at by `claim` are the ones that
    matter."""
    rows = await conn.fetch(
        """
        SELECT campaign.id, campaign.org_id, campaign.phone_number_id,
               campaign.line_quiet AND coalesce(settings.phone_line_health_check, true) AS line_quiet
          FROM campaigns.campaigns AS campaign
          LEFT JOIN campaigns.campaign_settings AS settings ON settings.org_id = campaign.org_id
         WHERE campaign.status IN ('QUEUED', 'DIALING', 'RUNNING')
           AND NOT EXISTS (SELECT FROM campaigns.kill_switches AS switch
                            WHERE switch.released_at IS NULL AND switch.org_id = campaign.org_id
                              AND (switch.campaign_id IS NULL OR switch.campaign_id = campaign.id))
           AND NOT EXISTS (SELECT FROM campaigns.holds
                            WHERE holds.campaign_id = campaign.id AND holds.look_at > clock_timestamp())
           AND EXISTS (SELECT FROM campaigns.slots
                        WHERE slots.campaign_id = campaign.id AND slots.attempt_id IS NULL)
           -- The first in their order tells for all; EXISTS would read whole lists that wait.
           AND (SELECT contacts.next_attempt_at IS NULL OR contacts.next_attempt_at <= clock_timestamp()
                  FROM campaigns.contacts
                 WHERE contacts.campaign_id = campaign.id AND contacts.status = 'PENDING'
                 ORDER BY contacts.next_attempt_at NULLS FIRST, contacts.position
                 LIMIT 1)
         ORDER BY random()
         LIMIT $1
        """,
        limit,
    )
    return [Candidate(**row) for row in rows]


async def seconds_until_due(conn: Connection, *, since: datetime) -> float | None:
    """Until a campaign under way may dial again by itself: a retry is due, a wait or a hold is over, a probe,
    or it is time for a look anyway by its organization's cadence. Not positive if that
    has happened since then; None if there is no such time."""
    seconds: float | None = await conn.fetchval(
        """
        SELECT extract(epoch FROM min(due.at) - clock_timestamp())::double precision
          FROM campaigns.campaigns AS campaign
         CROSS JOIN LATERAL (
               SELECT campaign.probe_at AS at
               UNION ALL
               SELECT holds.look_at FROM campaigns.holds WHERE holds.campaign_id = campaign.id
               UNION ALL
               SELECT clock_timestamp() + make_interval(secs => settings.cron_cadence_seconds)
                 FROM campaigns.campaign_settings AS settings
                WHERE settings.org_id = campaign.org_id
               UNION ALL
               SELECT min(contacts.next_attempt_at) FROM campaigns.contacts
                WHERE contacts.campaign_id = campaign.id AND contacts.status = 'PENDING'
                  AND contacts.next_attempt_at > $1) AS due
         WHERE campaign.status IN ('QUEUED', 'DIALING', 'RUNNING') AND due.at > $1
        """,
        since,
    )
    return seconds
