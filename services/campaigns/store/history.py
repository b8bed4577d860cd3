"""What an organization's calls were like lately."""

from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.estimates import History

_CAMPAIGNS = 20
_CALLS_EACH = 200


async def read(conn: Connection, *, org_id: UUID) -> History:
    """Over the latest calls of its latest campaigns. The price range leaves out the cheapest and the dearest
    quarter."""
    row = await conn.fetchrow(
        """
        SELECT avg(extract(epoch FROM made.ended_at - made.created_at))::double precision AS seconds_per_call,
               count(*)::double precision / nullif(count(DISTINCT made.contact_id), 0) AS calls_per_contact,
               percentile_disc(0.25) WITHIN GROUP (ORDER BY made.cost_usd) AS cost_low_usd,
               percentile_disc(0.75) WITHIN GROUP (ORDER BY made.cost_usd) AS cost_high_usd
          FROM (SELECT id FROM campaigns.campaigns WHERE org_id = $1 ORDER BY id DESC LIMIT $2) AS campaign
         CROSS JOIN LATERAL (
               SELECT contact_id, created_at, ended_at, cost_usd
                 FROM campaigns.attempts
                WHERE attempts.campaign_id = campaign.id AND attempts.state = 'ENDED'
                ORDER BY attempts.id DESC
                LIMIT $3) AS made
        """,
        org_id,
        _CAMPAIGNS,
        _CALLS_EACH,
    )
    return History(**row) if row else History()
