"""What a contact's wish to be called back means for its campaign."""

from datetime import datetime
from uuid import UUID

from libs import telemetry
from libs.pg import Connection
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.store import attempts, callbacks, campaigns

_log = telemetry.logger(__name__)


async def note_wish(conn: Connection, call_id: UUID, *, org_id: UUID, call_back_at: datetime) -> None:
    """The call is our attempt. A later wish takes the place of an earlier one; after the campaign is over,
    the lead that `calls` keeps is all that is left of it. Ignores what is no attempt of the organization."""
    campaign_id = await attempts.find_campaign(conn, call_id)
    locked = await campaigns.lock(conn, campaign_id) if campaign_id else None
    if locked is None or locked.campaign.org_id != org_id:
        return
    if locked.campaign.status in campaign_domain.OVER - {campaign_domain.Status.FAILED}:
        _log.info("callback of a campaign that is over", campaign_id=str(campaign_id))
        return
    attempt = await attempts.lock(conn, call_id)
    await callbacks.set_wish(conn, attempt.contact_id, call_back_at=call_back_at)
