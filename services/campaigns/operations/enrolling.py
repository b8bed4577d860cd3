"""How contacts that were read, from a file or a request, become a campaign's."""

from uuid import UUID, uuid4

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Connection
from libs.phone import is_region
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain.campaigns import Action
from services.campaigns.domain.contact_rows import REGION_DEFAULT, ContactRows
from services.campaigns.domain.imports import Import, Source
from services.campaigns.errors import CampaignNotFound
from services.campaigns.store import campaigns, contacts, imports, settings

_INSERT_ROWS = 1000


def checked_region(region: str) -> str:
    """Upper case, the default if empty. Raises InvalidArgument if there is none of this name."""
    wanted = region.upper() or REGION_DEFAULT
    if not is_region(wanted):
        raise InvalidArgument(
            violations=[FieldViolation("default_region", "must be an ISO 3166 region like CA")]
        )
    return wanted


async def enroll(
    conn: Connection, campaign_id: UUID, rows: ContactRows, *, org_id: UUID, source: Source, region: str
) -> Import:
    """All good rows or, if the transaction fails, none. Locks the campaign."""
    locked = await campaigns.lock(conn, campaign_id)
    if locked is None or locked.campaign.deleted_at is not None:
        raise CampaignNotFound
    campaign_domain.check(locked.campaign, Action.IMPORT)
    import_id, new, returned = uuid4(), 0, 0
    for start in range(0, len(rows.contacts), _INSERT_ROWS):
        added = await contacts.insert_new(
            conn,
            rows.contacts[start : start + _INSERT_ROWS],
            org_id=org_id,
            campaign_id=campaign_id,
            import_id=import_id,
        )
        new, returned = new + added.new, returned + added.returned
    allowed = await settings.find(conn, org_id=org_id)
    allowed.check_size(locked.campaign.total_contacts + new)
    made = await imports.insert(
        conn,
        import_id,
        org_id=org_id,
        campaign_id=campaign_id,
        source=source,
        default_region=region,
        accepted=new + returned,
        duplicates=rows.rows - new - returned - len(rows.rejections),
        rejections=rows.rejections,
    )
    await campaigns.add_contacts(conn, campaign_id, count=new)
    return made
