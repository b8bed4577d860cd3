"""Contacts that come in a request, and imports as people look at them and take them back."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Pool, transaction
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain.campaigns import Action
from services.campaigns.domain.contact_rows import ContactRows
from services.campaigns.domain.imports import Import, Source
from services.campaigns.errors import CampaignNotFound, ImportNotFound
from services.campaigns.operations import following
from services.campaigns.operations.enrolling import checked_region, enroll
from services.campaigns.store import campaigns, imports


class ContactImports:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def add(
        self, campaign_id: UUID, new: Sequence[Mapping[str, str]], *, org_id: UUID, region: str
    ) -> Import:
        """`new` has name, business_name and phone of each, as they came."""
        region = checked_region(region)
        rows = await asyncio.to_thread(_read, new, region=region)
        async with transaction(self._pool, org_id=org_id) as conn:
            made = await enroll(conn, campaign_id, rows, org_id=org_id, source=Source.REQUEST, region=region)
        self._wake_dispatcher()
        return made

    async def get(self, campaign_id: UUID, import_id: UUID, *, org_id: UUID) -> Import:
        async with transaction(self._pool, org_id=org_id) as conn:
            if await campaigns.find(conn, campaign_id) is None:
                raise CampaignNotFound
            return _existing(await imports.find(conn, campaign_id, import_id))

    async def list_after(
        self, campaign_id: UUID, *, org_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Import]:
        async with transaction(self._pool, org_id=org_id) as conn:
            if await campaigns.find(conn, campaign_id) is None:
                raise CampaignNotFound
            return await imports.list_after(conn, campaign_id, after=after, limit=limit)

    async def undo(self, campaign_id: UUID, import_id: UUID, *, org_id: UUID) -> Import:
        """Removes who was never dialed. The campaign's lock keeps the dispatcher from dialing them
        meanwhile."""
        async with transaction(self._pool, org_id=org_id) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None or locked.campaign.deleted_at is not None:
                raise CampaignNotFound
            campaign_domain.check(locked.campaign, Action.UNDO_IMPORT)
            found = _existing(await imports.find(conn, campaign_id, import_id))
            if found.undo is not None:
                return found
            removed = await imports.remove_contacts(conn, import_id)
            withdrawn = await imports.withdraw_contacts(conn, import_id)
            await imports.insert_undo(conn, found, org_id=org_id, removed=removed, withdrawn=withdrawn)
            await campaigns.add_contacts(conn, campaign_id, count=-removed)
            await following.complete_if_done(conn, locked.campaign)
            return _existing(await imports.find(conn, campaign_id, import_id))


def _read(new: Sequence[Mapping[str, str]], *, region: str) -> ContactRows:
    rows = ContactRows(region=region)
    for texts in new:
        rows.rows += 1
        rows.read({field: text.strip() for field, text in texts.items()}, line=rows.rows)
    return rows


def _existing(found: Import | None) -> Import:
    if found is None:
        raise ImportNotFound
    return found
