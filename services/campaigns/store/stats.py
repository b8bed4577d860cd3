"""A campaign's figures and its export."""

from collections.abc import Sequence
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.campaigns import Stats
from services.campaigns.domain.export import ExportRow

_STATS = """
SELECT campaign.id, contacts.contacts, contacts.pending, contacts.skipped, slots.active, attempts.attempts,
       attempts.successful, attempts.evaluated, attempts.average_cost_usd, attempts.total_cost_usd,
       attempts.average_duration_seconds, coalesce(statuses.by_status, '{}') AS by_status
  FROM unnest($1::uuid[]) AS campaign (id)
 CROSS JOIN LATERAL (
       SELECT count(*) AS contacts,
              count(*) FILTER (WHERE status IN ('PENDING', 'ACTIVE')) AS pending,
              count(*) FILTER (WHERE status = 'SKIPPED') AS skipped
         FROM campaigns.contacts
        WHERE contacts.campaign_id = campaign.id) AS contacts
 CROSS JOIN LATERAL (
       SELECT count(*) AS active FROM campaigns.slots
        WHERE slots.campaign_id = campaign.id AND slots.attempt_id IS NOT NULL) AS slots
 CROSS JOIN LATERAL (
       SELECT count(*) AS attempts,
              count(*) FILTER (WHERE success_evaluation) AS successful,
              count(success_evaluation) AS evaluated,
              round(avg(cost_usd), 4) AS average_cost_usd,
              sum(cost_usd) AS total_cost_usd,
              avg(duration_seconds) AS average_duration_seconds
         FROM campaigns.attempts
        WHERE attempts.campaign_id = campaign.id AND attempts.counts) AS attempts
 CROSS JOIN LATERAL (
       SELECT jsonb_object_agg(status.call_status, status.count) AS by_status
         FROM (SELECT attempts.call_status, count(*) AS count
                 FROM campaigns.attempts
                WHERE attempts.campaign_id = campaign.id AND attempts.counts AND attempts.call_status <> ''
                GROUP BY attempts.call_status) AS status) AS statuses
"""


async def read(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, Stats]:
    """One statement, so that the figures of a campaign agree with each other."""
    rows = await conn.fetch(_STATS, list(campaign_ids))
    return {row["id"]: Stats(**{name: value for name, value in row.items() if name != "id"}) for row in rows}


async def export_after(conn: Connection, campaign_id: UUID, *, after: int, limit: int) -> list[ExportRow]:
    """Contacts in their order, each with its last attempt; one that did not count only if there is no
    other."""
    rows = await conn.fetch(
        """
        SELECT contact.position, contact.name, contact.business_name, contact.phone,
               coalesce(last.call_status, '') AS call_status, coalesce(last.ended_reason, '') AS ended_reason,
               last.cost_usd, last.duration_seconds, coalesce(last.recording_url, '') AS recording_url,
               last.success_evaluation, coalesce(last.summary, '') AS summary
          FROM campaigns.contacts AS contact
          LEFT JOIN LATERAL (
               SELECT call_status, ended_reason, cost_usd, duration_seconds, recording_url,
                      success_evaluation, summary
                 FROM campaigns.attempts
                WHERE attempts.contact_id = contact.id
                ORDER BY counts DESC, id DESC
                LIMIT 1) AS last ON true
         WHERE contact.campaign_id = $1 AND contact.position > $2
         ORDER BY contact.position
         LIMIT $3
        """,
        campaign_id,
        after,
        limit,
    )
    return [ExportRow(**row) for row in rows]
