"""Campaigns as people run them: create, change, start, pause, resume, cancel, look at."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from libs import telemetry
from libs.errors import EtagMismatch
from libs.pg import Connection, Pool, transaction
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain.assistants import Assistant, Source
from services.campaigns.domain.attempts import Attempt
from services.campaigns.domain.campaigns import Action, Campaign, CampaignChange, NewCampaign, Stats, Status
from services.campaigns.domain.contacts import Contact
from services.campaigns.domain.contacts import Status as ContactStatus
from services.campaigns.errors import (
    AssistantGone,
    AssistantInactive,
    AssistantIsTemplate,
    AssistantNotFound,
    CampaignAssistantGone,
    CampaignEmpty,
    CampaignHasOpenCalls,
    CampaignNotFound,
)
from services.campaigns.operations import following, retrying
from services.campaigns.operations.idempotency import RequestKey, reserve
from services.campaigns.store import (
    assistants,
    attempts,
    campaigns,
    contacts,
    idempotency,
    settings,
    slots,
    stats,
)


class Campaigns:
    """`pool` is the request role's. `wake_dispatcher` is called after each commit that may let somebody be
    called."""

    def __init__(self, pool: Pool, *, wake_dispatcher: Callable[[], None]) -> None:
        self._pool = pool
        self._wake_dispatcher = wake_dispatcher

    async def create(
        self,
        new: NewCampaign,
        *,
        org_id: UUID,
        request: RequestKey | None,
        cap_is_default: bool = False,
    ) -> Campaign:
        """A cap that is the service's default gives way to a lower limit of the organization."""
        async with transaction(self._pool, org_id=org_id) as conn:
            made = await reserve(conn, request, org_id=org_id) if request else None
            if made is not None:
                return _existing(await campaigns.find(conn, made))
            allowed = await settings.find(conn, org_id=org_id)
            allowed.check_mode(new.mode)
            if cap_is_default:
                new = replace(new, cap=min(new.cap, allowed.cap_max))
            allowed.check_cap(new.cap)
            await _active_assistant(conn, new.assistant_id)
            created = await campaigns.insert(conn, new, org_id=org_id)
            await slots.fit(conn, created.id, org_id=org_id, cap=created.cap)
            if request:
                await idempotency.fulfill(conn, request.key, resource_id=created.id)
        return created

    async def get(self, campaign_id: UUID, *, org_id: UUID) -> Campaign:
        async with transaction(self._pool, org_id=org_id) as conn:
            return _existing(await campaigns.find(conn, campaign_id))

    async def list_after(
        self, *, org_id: UUID, after: UUID | None, status: Status | None, limit: int
    ) -> list[Campaign]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await campaigns.list_after(conn, after=after, status=status, limit=limit)

    async def stats_of(self, found: list[Campaign], *, org_id: UUID) -> dict[UUID, Stats]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await _figures(conn, [campaign.id for campaign in found], org_id=org_id)

    async def stats(self, campaign_id: UUID, *, org_id: UUID) -> Stats:
        async with transaction(self._pool, org_id=org_id) as conn:
            _existing(await campaigns.find(conn, campaign_id))
            return (await _figures(conn, [campaign_id], org_id=org_id))[campaign_id]

    async def list_contacts(
        self, campaign_id: UUID, *, org_id: UUID, after: int, status: ContactStatus | None, limit: int
    ) -> list[Contact]:
        async with transaction(self._pool, org_id=org_id) as conn:
            _existing(await campaigns.find(conn, campaign_id))
            return await contacts.list_after(conn, campaign_id, after=after, status=status, limit=limit)

    async def list_attempts(
        self, campaign_id: UUID, *, org_id: UUID, after: UUID | None, limit: int
    ) -> list[Attempt]:
        async with transaction(self._pool, org_id=org_id) as conn:
            _existing(await campaigns.find(conn, campaign_id))
            return await attempts.list_after(conn, campaign_id, after=after, limit=limit)

    async def update(self, campaign_id: UUID, change: CampaignChange, *, org_id: UUID, etag: str) -> Campaign:
        async with self._changing(campaign_id, Action.UPDATE, org_id=org_id) as (conn, campaign):
            if etag and etag != campaign.etag:
                raise EtagMismatch
            campaign_domain.check_change(campaign, change)
            if change.assistant_id is not None:
                await _active_assistant(conn, change.assistant_id)
            if change.cap is not None:
                (await settings.find(conn, org_id=org_id)).check_cap(change.cap)
            updated = await campaigns.update(conn, campaign_id, change)
            if change.cap is not None:
                await slots.fit(conn, campaign_id, org_id=org_id, cap=change.cap)
            if change.concerns_retries:
                await retrying.replan(conn, updated)
            await following.complete_if_done(conn, updated)
        # It may be over by this.
        return await self.get(campaign_id, org_id=org_id)

    async def delete(self, campaign_id: UUID, *, org_id: UUID) -> None:
        """From all lists; what its calls were stays on record."""
        async with self._changing(campaign_id, Action.DELETE, org_id=org_id) as (conn, _):
            open_calls = await slots.count_taken(conn, campaign_id)
            if open_calls:
                raise CampaignHasOpenCalls(metadata={"open_calls": str(open_calls)})
            await campaigns.mark_deleted(conn, campaign_id)

    async def start(self, campaign_id: UUID, *, org_id: UUID) -> Campaign:
        """Pins the assistant as it is now, and the trace that every call of the campaign will be part of."""
        async with self._changing(campaign_id, Action.START, org_id=org_id) as (conn, campaign):
            await _check_allowed(conn, campaign)
            assistant = await _active_assistant(conn, campaign.assistant_id)
            if not campaign.auto_enroll and not await contacts.any_open(conn, campaign_id):
                raise CampaignEmpty
            await _pin(conn, campaign_id, assistant)
        return await self.get(campaign_id, org_id=org_id)

    async def pause(self, campaign_id: UUID, *, org_id: UUID) -> Campaign:
        return await self._set_status(campaign_id, Action.PAUSE, Status.PAUSED, org_id=org_id)

    async def resume(self, campaign_id: UUID, *, org_id: UUID) -> Campaign:
        """One that failed goes on with its assistant as it is now."""
        async with self._changing(campaign_id, Action.RESUME, org_id=org_id) as (conn, campaign):
            await _check_allowed(conn, campaign)
            if campaign.status is Status.FAILED:
                await _pin(conn, campaign_id, await _assistant_to_resume_with(conn, campaign))
            status = campaign_domain.progressed(
                started=campaign.started_at is not None, connected=campaign.connected_at is not None
            )
            await campaigns.set_status(conn, campaign_id, status)
            await following.complete_if_done(conn, replace(campaign, status=status))
        return await self.get(campaign_id, org_id=org_id)

    async def cancel(self, campaign_id: UUID, *, org_id: UUID) -> Campaign:
        return await self._set_status(campaign_id, Action.CANCEL, Status.CANCELED, org_id=org_id)

    async def _set_status(
        self, campaign_id: UUID, action: Action, status: Status, *, org_id: UUID
    ) -> Campaign:
        async with self._changing(campaign_id, action, org_id=org_id) as (conn, _):
            await campaigns.set_status(conn, campaign_id, status)
        return await self.get(campaign_id, org_id=org_id)

    @asynccontextmanager
    async def _changing(
        self, campaign_id: UUID, action: Action, *, org_id: UUID
    ) -> AsyncIterator[tuple[Connection, Campaign]]:
        """The campaign, locked and in a status that allows the action; the dispatcher is woken after the
        commit."""
        async with transaction(self._pool, org_id=org_id) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None or locked.campaign.deleted_at is not None:
                raise CampaignNotFound
            campaign_domain.check(locked.campaign, action)
            yield conn, locked.campaign
        self._wake_dispatcher()


async def _figures(conn: Connection, campaign_ids: Sequence[UUID], *, org_id: UUID) -> dict[UUID, Stats]:
    """Without costs, if the organization does not want to see any."""
    found = await stats.read(conn, campaign_ids)
    if (await settings.find(conn, org_id=org_id)).cost_tracking:
        return found
    return {
        campaign_id: replace(one, average_cost_usd=None, total_cost_usd=None)
        for campaign_id, one in found.items()
    }


async def _check_allowed(conn: Connection, campaign: Campaign) -> None:
    """Before it dials, again."""
    allowed = await settings.find(conn, org_id=campaign.org_id)
    allowed.check_mode(campaign.mode)
    allowed.check_cap(campaign.cap)


async def _active_assistant(conn: Connection, assistant_id: UUID) -> Assistant:
    """Locked, so that it cannot be deleted while a campaign comes to depend on it."""
    found = await assistants.lock(conn, assistant_id)
    if found is None:
        raise AssistantNotFound
    if found.source is Source.TEMPLATE:
        raise AssistantIsTemplate("A template cannot be called with; clone it and name the clone.")
    if not found.active:
        raise AssistantGone if found.inactive_reason else AssistantInactive
    return found


async def _pin(conn: Connection, campaign_id: UUID, assistant: Assistant) -> None:
    """What the assistant is now is what calls are placed with; and every call is part of this trace."""
    await campaigns.start(
        conn,
        campaign_id,
        assistant_version=assistant.version,
        provider_assistant_id=assistant.provider_assistant_id,
        traceparent=telemetry.current_traceparent(),
    )


async def _assistant_to_resume_with(conn: Connection, campaign: Campaign) -> Assistant:
    try:
        return await _active_assistant(conn, campaign.assistant_id)
    except AssistantNotFound:
        raise CampaignAssistantGone from None


def _existing(found: Campaign | None) -> Campaign:
    if found is None:
        raise CampaignNotFound
    return found
