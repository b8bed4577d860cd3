"""Contacts in and out of files: the import of a CSV and the export of a campaign."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Pool, transaction
from libs.phone import is_region
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain import export
from services.campaigns.domain.campaigns import Action
from services.campaigns.domain.contacts_file import REGION_DEFAULT, ContactsFile, Rejection
from services.campaigns.errors import CampaignNotFound
from services.campaigns.store import campaigns, contacts, stats

_INSERT_ROWS = 1000
_EXPORT_ROWS = 500
# Reading phone numbers is work; pieces larger than this are read beside the event loop.
_INLINE_BYTES_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    import_id: UUID
    total_rows: int
    accepted: int
    rejected: list[Rejection]
    duplicates: int


class ContactFiles:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def import_contacts(
        self, campaign_id: UUID, chunks: AsyncIterator[bytes], *, org_id: UUID, region: str
    ) -> ImportReport:
        """Reads the file piece by piece, then stores its good rows in one transaction: all of them or
        none."""
        region = region.upper() or REGION_DEFAULT
        if not is_region(region):
            raise InvalidArgument(
                violations=[FieldViolation("default_region", "must be an ISO 3166 region like CA")]
            )
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await campaigns.find(conn, campaign_id)
        if found is None:
            raise CampaignNotFound
        campaign_domain.check(found, Action.IMPORT)
        file = ContactsFile(region=region)
        async for chunk in chunks:
            if len(chunk) > _INLINE_BYTES_MAX:
                await asyncio.to_thread(file.feed, chunk)
            else:
                file.feed(chunk)
        file.finish()
        report = await self._store(campaign_id, file, org_id=org_id, region=region)
        self._wake_dispatcher()
        return report

    async def export(self, campaign_id: UUID, *, org_id: UUID) -> AsyncIterator[bytes]:
        """The file in pieces; each is read in a transaction of its own."""
        async with transaction(self._pool, org_id=org_id) as conn:
            if await campaigns.find(conn, campaign_id) is None:
                raise CampaignNotFound
        yield export.header()
        position = 0
        while True:
            async with transaction(self._pool, org_id=org_id) as conn:
                rows = await stats.export_after(conn, campaign_id, after=position, limit=_EXPORT_ROWS)
            if not rows:
                return
            yield export.encoded(rows)
            position = rows[-1].position

    async def _store(
        self, campaign_id: UUID, file: ContactsFile, *, org_id: UUID, region: str
    ) -> ImportReport:
        import_id, accepted, rejected = uuid4(), 0, len(file.rejections)
        async with transaction(self._pool, org_id=org_id) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None:
                raise CampaignNotFound
            campaign_domain.check(locked.campaign, Action.IMPORT)
            for start in range(0, len(file.contacts), _INSERT_ROWS):
                rows = file.contacts[start : start + _INSERT_ROWS]
                accepted += await contacts.insert_new(
                    conn, rows, org_id=org_id, campaign_id=campaign_id, import_id=import_id
                )
            duplicates = file.rows - accepted - rejected
            await contacts.insert_import(
                conn,
                import_id,
                org_id=org_id,
                campaign_id=campaign_id,
                default_region=region,
                accepted=accepted,
                duplicates=duplicates,
                rejected=rejected,
            )
            await campaigns.add_contacts(conn, campaign_id, count=accepted)
        return ImportReport(
            import_id=import_id,
            total_rows=file.rows,
            accepted=accepted,
            rejected=file.rejections,
            duplicates=duplicates,
        )
