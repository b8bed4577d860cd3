"""An organization's features and limits, looked at and changed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from libs.errors import EtagMismatch
from libs.pg import Pool, transaction
from services.campaigns.domain.settings import CampaignSettings
from services.campaigns.store import settings


class SettingsKeeping:
    """`pool` is the request role's. `wake_dispatcher` is called after a change: the cadence may be
    shorter."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def get(self, *, org_id: UUID) -> CampaignSettings:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await settings.find(conn, org_id=org_id)

    async def update(self, changes: Mapping[str, Any], *, org_id: UUID, etag: str) -> CampaignSettings:
        """`changes` by field. Raises EtagMismatch, also if somebody else changes them at the same moment."""
        async with transaction(self._pool, org_id=org_id) as conn:
            current = await settings.find(conn, org_id=org_id)
            if etag and etag != str(current.version):
                raise EtagMismatch
            if changes:
                changed = replace(current, **changes)
                if not await settings.save(conn, changed, org_id=org_id, version=current.version):
                    raise EtagMismatch
                current = await settings.find(conn, org_id=org_id)
        self._wake_dispatcher()
        return current
