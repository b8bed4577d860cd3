"""A campaign's figures and its export."""

from collections.abc import Sequence
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import figures
from services.campaigns.domain.campaigns import UNDER_WAY, Stats, Status
from services.campaigns.domain.export import ExportRow
from services.campaigns.domain.figures import Figure

_FIGURES = """
SELECT campaign.id, campaign.status, least(campaign.cap, campaign.line_limit) AS concurrency, slots.active,
       figures.figure, figures.count, figures.total
  FROM campaigns.campaigns AS campaign
 CROSS JOIN LATERAL (
       SELECT count(*) AS active FROM campaigns.slots
        WHERE slots.campaign_id = campaign.id AND slots.attempt_id IS NOT NULL) AS slots
  LEFT JOIN campaigns.campaign_figures AS figures ON figures.campaign_id = campaign.id
 WHERE campaign.id = ANY ($1::uuid[])
"""


async def read(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, Stats]:
    """One statement, so that the figures of a campaign agree with each other. It reads some twenty rows per
    campaign, however many contacts it has: the database counts in the transactions that change them."""
    rows = await conn.fetch(_FIGURES, list(campaign_ids))
    found = {row["id"]: row for row in rows}
    told: dict[UUID, dict[str, Figure]] = {campaign_id: {} for campaign_id in found}
    for row in rows:
        if row["figure"] is not None:
            told[row["id"]][row["figure"]] = Figure(row["count"], row["total"])
    return {
        campaign_id: figures.stats(
            told[campaign_id],
            active=row["active"],
            concurrency=row["concurrency"],
            under_way=Status(row["status"]) in UNDER_WAY,
        )
        for campaign_id, row in found.items()
    }


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
