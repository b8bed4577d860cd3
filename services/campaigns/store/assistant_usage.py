"""What campaigns did with assistants, by assistant and by the version that was pinned."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.figures import Figure
from services.campaigns.domain.usage import VersionFigures

_CAMPAIGNS = """
SELECT assistant_id, coalesce(assistant_version, 0) AS version, count(*) AS campaigns,
       count(*) FILTER (WHERE status IN ('QUEUED', 'DIALING', 'RUNNING')) AS under_way,
       max(started_at) AS last_used_at
  FROM campaigns.campaigns
 WHERE assistant_id = ANY ($1::uuid[])
 GROUP BY assistant_id, version
 ORDER BY assistant_id, version DESC
"""

_FIGURES = """
SELECT campaign.assistant_id, coalesce(campaign.assistant_version, 0) AS version, figures.figure,
       sum(figures.count)::bigint AS count, sum(figures.total) AS total
  FROM campaigns.campaigns AS campaign
  JOIN campaigns.campaign_figures AS figures ON figures.campaign_id = campaign.id
 WHERE campaign.assistant_id = ANY ($1::uuid[])
 GROUP BY campaign.assistant_id, version, figures.figure
"""


async def read(conn: Connection, assistant_ids: Sequence[UUID]) -> dict[UUID, list[VersionFigures]]:
    """By version, newest first; 0 stands for campaigns that were not started."""
    told: dict[tuple[UUID, int], dict[str, Figure]] = defaultdict(dict)
    for row in await conn.fetch(_FIGURES, list(assistant_ids)):
        told[row["assistant_id"], row["version"]][row["figure"]] = Figure(row["count"], row["total"])
    found: dict[UUID, list[VersionFigures]] = {assistant_id: [] for assistant_id in assistant_ids}
    for row in await conn.fetch(_CAMPAIGNS, list(assistant_ids)):
        found[row["assistant_id"]].append(
            VersionFigures(
                version=row["version"],
                campaigns=row["campaigns"],
                under_way=row["under_way"],
                last_used_at=row["last_used_at"],
                told=told[row["assistant_id"], row["version"]],
            )
        )
    return found
