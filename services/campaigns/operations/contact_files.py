"""Contacts in and out of files: the import of a CSV and the export of a campaign."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from libs.pg import Pool, transaction
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain import export
from services.campaigns.domain.campaigns import Action
from services.campaigns.domain.contacts_file import ContactsFile
from services.campaigns.domain.imports import Import, Source
from services.campaigns.errors import CampaignNotFound
from services.campaigns.operations.enrolling import checked_region, enroll
from services.campaigns.store import campaigns, settings, stats

_EXPORT_ROWS = 500
# Reading phone numbers is work; pieces larger than this are read beside the event loop.
_INLINE_BYTES_MAX = 4096


class ContactFiles:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def import_contacts(
        self, campaign_id: UUID, chunks: AsyncIterator[bytes], *, org_id: UUID, region: str
    ) -> Import:
        """Reads the file piece by piece, then stores its good rows in one transaction: all of them or
        none."""
        region = checked_region(region)
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await campaigns.find(conn, campaign_id)
            allowed = await settings.find(conn, org_id=org_id)
        if found is None:
            raise CampaignNotFound
        campaign_domain.check(found, Action.IMPORT)
        file = ContactsFile(region=region, bytes_max=allowed.file_bytes_max)
        async for chunk in chunks:
            if len(chunk) > _INLINE_BYTES_MAX:
                await asyncio.to_thread(file.feed, chunk)
            else:
                file.feed(chunk)
        file.finish()
        async with transaction(self._pool, org_id=org_id) as conn:
            made = await enroll(
                conn, campaign_id, file.taken, org_id=org_id, source=Source.FILE, region=region
            )
        self._wake_dispatcher()
        return made

    async def export(self, campaign_id: UUID, *, org_id: UUID) -> AsyncIterator[bytes]:
        """The file in pieces; each is read in a transaction of its own."""
        async with transaction(self._pool, org_id=org_id) as conn:
            if await campaigns.find(conn, campaign_id) is None:
                raise CampaignNotFound
            allowed = await settings.find(conn, org_id=org_id)
        allowed.check_export()
        yield export.header()
        position = 0
        while True:
            async with transaction(self._pool, org_id=org_id) as conn:
                rows = await stats.export_after(conn, campaign_id, after=position, limit=_EXPORT_ROWS)
            if not rows:
                return
            yield export.encoded(rows, with_costs=allowed.cost_tracking)
            position = rows[-1].position
