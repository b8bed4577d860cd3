"""What would come of dialing a campaign, without dialing anybody, and how its dialing stands."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.pg import Connection, Pool, transaction
from services.campaigns.domain import budgets as budget_domain
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain import contactability, estimates
from services.campaigns.domain.budgets import Account, Awaited, Hold
from services.campaigns.domain.campaigns import Action, Campaign
from services.campaigns.domain.contactability import Decision, Facts, Rules, Verdict
from services.campaigns.domain.contacts import Contact, Status
from services.campaigns.domain.dialing_policies import Gate
from services.campaigns.domain.estimates import CostRange, Group
from services.campaigns.errors import CampaignNotFound
from services.campaigns.operations.budgeting import read_accounts
from services.campaigns.operations.contactability import rules_for
from services.campaigns.store import budgets, campaigns, contacts, gates, history, holds, verdicts

KILL_SWITCH: Final = "KILL_SWITCH"
ORGANIZATION_KILL_SWITCH: Final = "ORGANIZATION_KILL_SWITCH"

_CONTACTS_AT_ONCE: Final = 500

_Judged = tuple[Contact, Facts, Verdict]
_Waiting = Counter[tuple[datetime, tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DialingState:
    """`hold` None: the campaign may dial. `since` belongs to it."""

    campaign: Campaign
    hold: Hold | None
    since: datetime | None
    own: Account
    organization: Account
    awaited: Awaited


@dataclass(slots=True)
class Preflight:
    """`not_dialed`: a page of those who would not be dialed at once; `more`: there are others behind it."""

    hold_reason: str = ""
    contacts: int = 0
    reasons: Counter[tuple[Decision, str]] = field(default_factory=Counter)
    not_dialed: list[tuple[Contact, Verdict]] = field(default_factory=list)
    more: bool = False
    finishes_at: datetime | None = None
    cost: CostRange | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    campaign: Campaign
    gate: Gate
    now: datetime


class Preflights:
    """`pool` is the request role's. `minute_cost_max_usd` as of `Config`."""

    def __init__(self, pool: Pool, *, minute_cost_max_usd: Decimal) -> None:
        self._pool = pool
        self._minute_cost_max_usd = minute_cost_max_usd

    async def state(self, campaign_id: UUID, *, org_id: UUID) -> DialingState:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await self._state(conn, await _see(conn, campaign_id))

    async def run(self, campaign_id: UUID, *, org_id: UUID, after: int, limit: int) -> Preflight:
        """Looks at every contact that is not dealt with; those after this position stand on the page. Raises
        CampaignWrongStatus once the campaign is over."""
        preflight, waiting = Preflight(), _Waiting()
        async with transaction(self._pool, org_id=org_id) as conn:
            seen = await _see(conn, campaign_id)
            campaign_domain.check(seen.campaign, Action.UPDATE)
            rules = seen.gate.rules(max_attempts=seen.campaign.max_attempts)
            state = await self._state(conn, seen)
            past = await history.read(conn, org_id=org_id)
            position = 0
            while True:
                page = await contacts.list_after(
                    conn, campaign_id, after=position, status=Status.PENDING, limit=_CONTACTS_AT_ONCE
                )
                if not page:
                    break
                position = page[-1].position
                known = await verdicts.read_facts(
                    conn, [contact.id for contact in page], cap=rules.frequency_cap, now=seen.now
                )
                # Reading numbers and zones is work; other requests go on beside it.
                judged = await asyncio.to_thread(_judged, page, known, rules, seen.now)
                _count(preflight, waiting, judged, rules=rules, now=seen.now)
                _show(preflight, judged, after=after, limit=limit)
        preflight.hold_reason = state.hold.reason if state.hold else ""
        preflight.cost = estimates.cost_range(waiting.total(), past)
        preflight.finishes_at = await asyncio.to_thread(
            estimates.finishes_at,
            [Group(contacts=count, ready_at=at, zones=zones) for (at, zones), count in waiting.items()],
            hours=rules.hours,
            cap=seen.campaign.cap,
            history=past,
            now=seen.now,
        )
        return preflight

    async def _state(self, conn: Connection, seen: _Seen) -> DialingState:
        campaign, gate = seen.campaign, seen.gate
        own, organization = await read_accounts(conn, campaign, gate, now=seen.now)
        hold = budget_domain.hold(
            campaign=own,
            organization=organization,
            cost_usd=gate.call_cost_max_usd(minute_usd=self._minute_cost_max_usd),
            now=seen.now,
        )
        stored = await holds.find(conn, campaign.id)
        since = stored.since if stored and hold and stored.hold.reason == hold.reason else None
        for reason, campaign_id in ((KILL_SWITCH, campaign.id), (ORGANIZATION_KILL_SWITCH, None)):
            switch = await gates.find_kill_switch(conn, org_id=campaign.org_id, campaign_id=campaign_id)
            if switch.engaged:
                hold, since = Hold(reason=reason), switch.engaged_at
        if own.budget is None:
            own = replace(own, spending=await budgets.read_campaign(conn, campaign.id))
        if organization.budget is None:
            today = await budgets.read_organization(conn, campaign.org_id, period_days=1, now=seen.now)
            organization = replace(organization, spending=today)
        return DialingState(
            campaign=campaign,
            hold=hold,
            since=since,
            own=own,
            organization=organization,
            awaited=await budgets.read_awaited(conn, campaign.id),
        )


async def _see(conn: Connection, campaign_id: UUID) -> _Seen:
    campaign = await campaigns.find(conn, campaign_id)
    if campaign is None:
        raise CampaignNotFound
    gate = await gates.read(conn, campaign_id, org_id=campaign.org_id)
    return _Seen(campaign, gate, await campaigns.read_clock(conn))


def _judged(
    page: Sequence[Contact], known: Mapping[UUID, Facts], rules: Rules, now: datetime
) -> list[_Judged]:
    return [
        (contact, known[contact.id], contactability.contactability(known[contact.id], own, now=now))
        for contact in page
        for own in [rules_for(contact, rules)]
    ]


def _count(
    preflight: Preflight, waiting: _Waiting, judged: Sequence[_Judged], *, rules: Rules, now: datetime
) -> None:
    preflight.contacts += len(judged)
    for _, facts, verdict in judged:
        preflight.reasons[verdict.decision, verdict.reason] += 1
        if verdict.decision in (Decision.DIAL, Decision.WAIT):
            zones = contactability.zones_of(facts) if rules.hours else ()
            waiting[verdict.until or now, zones] += 1


def _show(preflight: Preflight, judged: Sequence[_Judged], *, after: int, limit: int) -> None:
    for contact, _, verdict in judged:
        if verdict.decision is not Decision.DIAL and contact.position > after:
            if len(preflight.not_dialed) == limit:
                preflight.more = True
                return
            preflight.not_dialed.append((contact, verdict))
