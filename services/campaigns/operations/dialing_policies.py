"""Setting whom campaigns may call. Each change waits for decisions under way and counts for all that follow;
whoever waits because of the rule before is looked at again."""

from collections.abc import Callable
from uuid import UUID

from libs.errors import EtagMismatch
from libs.pg import Connection, Pool, transaction
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain.campaigns import Action
from services.campaigns.domain.contactability import StoredVerdict
from services.campaigns.domain.dialing_policies import CampaignPolicy, KillSwitch, Policy
from services.campaigns.errors import CampaignNotFound
from services.campaigns.store import campaigns, gates, holds, verdicts


class DialingPolicies:
    """`pool` is the request role's. `wake_dispatcher` is called after each commit that may let somebody be
    called."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def get(self, *, org_id: UUID) -> Policy:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await gates.find_policy(conn, org_id)

    async def replace(self, policy: Policy, *, org_id: UUID, etag: str) -> Policy:
        """Raises EtagMismatch and InvalidArgument."""
        policy.calling_hours.check()
        async with transaction(self._pool, org_id=org_id) as conn:
            await gates.lock_changing(conn, org_id)
            present = await gates.find_policy(conn, org_id)
            _check_etag(etag, present.etag)
            await gates.save_policy(conn, policy, org_id=org_id)
            await verdicts.recall(conn, org_id=org_id, campaign_id=None)
            await holds.lift_all(conn, org_id)
            saved = await gates.find_policy(conn, org_id)
        self._wake_dispatcher()
        return saved

    async def get_of_campaign(self, campaign_id: UUID, *, org_id: UUID) -> CampaignPolicy:
        async with transaction(self._pool, org_id=org_id) as conn:
            await _check_campaign(conn, campaign_id)
            return await gates.find_campaign_policy(conn, campaign_id)

    async def replace_of_campaign(
        self, campaign_id: UUID, policy: CampaignPolicy, *, org_id: UUID, etag: str
    ) -> CampaignPolicy:
        """Raises EtagMismatch, InvalidArgument and CampaignWrongStatus."""
        policy.calling_hours.check()
        async with transaction(self._pool, org_id=org_id) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None:
                raise CampaignNotFound
            campaign_domain.check(locked.campaign, Action.UPDATE)
            present = await gates.find_campaign_policy(conn, campaign_id)
            _check_etag(etag, present.etag)
            await gates.save_campaign_policy(conn, policy, campaign_id=campaign_id, org_id=org_id)
            await verdicts.recall(conn, org_id=org_id, campaign_id=campaign_id)
            await holds.lift(conn, campaign_id)
            saved = await gates.find_campaign_policy(conn, campaign_id)
        self._wake_dispatcher()
        return saved

    async def get_kill_switch(self, *, org_id: UUID, campaign_id: UUID | None) -> KillSwitch:
        """The organization's if no campaign is named."""
        async with transaction(self._pool, org_id=org_id) as conn:
            await _check_campaign(conn, campaign_id)
            return await gates.find_kill_switch(conn, org_id=org_id, campaign_id=campaign_id)

    async def set_kill_switch(
        self, *, org_id: UUID, campaign_id: UUID | None, engaged: bool, reason: str
    ) -> KillSwitch:
        """Once this returns, nobody decides on a call any more, or everybody may again."""
        async with transaction(self._pool, org_id=org_id) as conn:
            await _check_campaign(conn, campaign_id)
            await gates.lock_changing(conn, org_id)
            if engaged:
                await gates.engage_kill_switch(conn, org_id=org_id, campaign_id=campaign_id, reason=reason)
            else:
                await gates.release_kill_switch(conn, org_id=org_id, campaign_id=campaign_id)
            found = await gates.find_kill_switch(conn, org_id=org_id, campaign_id=campaign_id)
        self._wake_dispatcher()
        return found

    async def list_verdicts(
        self, campaign_id: UUID, *, org_id: UUID, contact_id: UUID | None, before: UUID | None, limit: int
    ) -> list[StoredVerdict]:
        async with transaction(self._pool, org_id=org_id) as conn:
            await _check_campaign(conn, campaign_id)
            return await verdicts.list_before(
                conn, campaign_id, contact_id=contact_id, before=before, limit=limit
            )


async def _check_campaign(conn: Connection, campaign_id: UUID | None) -> None:
    if campaign_id is not None and await campaigns.find(conn, campaign_id) is None:
        raise CampaignNotFound


def _check_etag(told: str, present: str) -> None:
    if told and told != present:
        raise EtagMismatch
