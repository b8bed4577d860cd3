"""A campaign's progress as it happens, to a bounded number of watchers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from libs import telemetry
from services.campaigns.domain.campaigns import OVER, Campaign, Stats
from services.campaigns.errors import TooManyWatchers
from services.campaigns.operations.campaigns import Campaigns

_watchers = telemetry.meter().create_up_down_counter(
    "callplane.campaigns.watchers", description="Open progress streams."
)

# Shorter than what any proxy waits for the next byte.
_KEEPALIVE_SECONDS = 15.0
_WATCH_SECONDS_MAX = 240.0
_WATCHERS_MAX = 200
_WATCHERS_PER_ORGANIZATION_MAX = 20


@dataclass(frozen=True, slots=True)
class Progress:
    campaign: Campaign
    stats: Stats
    at: datetime


class Watching:
    """Looks every `interval_seconds` and tells what has changed."""

    def __init__(
        self,
        campaigns: Campaigns,
        *,
        interval_seconds: float,
        keepalive_seconds: float = _KEEPALIVE_SECONDS,
        watch_seconds_max: float = _WATCH_SECONDS_MAX,
    ) -> None:
        self._campaigns = campaigns
        self._interval_seconds = interval_seconds
        self._keepalive_seconds = keepalive_seconds
        self._watch_seconds_max = watch_seconds_max
        self._watchers: Counter[UUID] = Counter()

    async def watch(self, campaign_id: UUID, *, org_id: UUID) -> AsyncGenerator[Progress]:
        """Until the campaign is over, or for a few minutes. Raises CampaignNotFound and TooManyWatchers."""
        with self._admitted(org_id):
            ends_at = time.monotonic() + self._watch_seconds_max
            told, told_at = None, 0.0
            while True:
                progress = await self._look(campaign_id, org_id=org_id)
                figures = (progress.campaign.status, progress.stats)
                if figures != told or time.monotonic() - told_at >= self._keepalive_seconds:
                    told, told_at = figures, time.monotonic()
                    yield progress
                if progress.campaign.status in OVER or time.monotonic() >= ends_at:
                    return
                await asyncio.sleep(self._interval_seconds)

    async def _look(self, campaign_id: UUID, *, org_id: UUID) -> Progress:
        campaign = await self._campaigns.get(campaign_id, org_id=org_id)
        stats = await self._campaigns.stats_of([campaign], org_id=org_id)
        return Progress(campaign, stats[campaign_id], datetime.now(UTC))

    @contextmanager
    def _admitted(self, org_id: UUID) -> Iterator[None]:
        if (
            self._watchers[org_id] >= _WATCHERS_PER_ORGANIZATION_MAX
            or self._watchers.total() >= _WATCHERS_MAX
        ):
            raise TooManyWatchers
        self._watchers[org_id] += 1
        _watchers.add(1)
        try:
            yield
        finally:
            _watchers.add(-1)
            self._watchers[org_id] -= 1
            if not self._watchers[org_id]:
                del self._watchers[org_id]
