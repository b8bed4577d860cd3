"""Slots against the attempts that hold them. A safety net: whoever ends an attempt frees its slot in the
same transaction, and the cap is the number of slots. What a hand in the database, a restored backup or a
mistake of ours leaves behind is put right here, and counted."""

from typing import Final
from uuid import UUID

from libs import telemetry
from libs.pg import Pool, transaction
from services.campaigns.store import attempts, campaigns, slots

_BATCH_MAX: Final = 50

_log = telemetry.logger(__name__)
_healed = telemetry.meter().create_counter(
    "callplane.campaigns.slots.healed", description="Slots that were put right, by what was wrong with them."
)


class SlotKeeping:
    """`pool` is the worker role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def heal(self) -> int:
        """Returns how much it put right; more may be left."""
        async with transaction(self._pool) as conn:
            suspects = await slots.list_suspect_campaigns(conn, limit=_BATCH_MAX)
            stranded = await attempts.watch_stranded(conn, limit=_BATCH_MAX)
        _count("stranded contact", stranded)
        return stranded + sum([await self._heal_campaign(campaign_id) for campaign_id in suspects])

    async def _heal_campaign(self, campaign_id: UUID) -> int:
        """Under the campaign's lock, so that what looked wrong only for a moment is not touched."""
        async with transaction(self._pool) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None:
                return 0
            campaign = locked.campaign
            freed = await slots.free_left_behind(conn, campaign_id)
            # More slots than the cap only if more calls are open: none of them is ended for it.
            regained = await slots.hold_unheld(conn, campaign_id, org_id=campaign.org_id)
            refitted = await slots.fit(conn, campaign_id, org_id=campaign.org_id, cap=campaign.cap)
        for what, count in (("left behind", freed), ("not held", regained), ("missing", refitted)):
            _count(what, count)
        healed = freed + regained + refitted
        if healed:
            _log.error("slots put right", campaign_id=str(campaign_id), count=healed)
        return healed


def _count(what: str, count: int) -> None:
    if count:
        _healed.add(count, {"problem": what})
