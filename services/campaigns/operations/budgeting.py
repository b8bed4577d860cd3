"""Reserving what a call may cost before it is dialed, and what becomes of the reservation."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import budgets as budget_domain
from services.campaigns.domain.attempts import Attempt
from services.campaigns.domain.budgets import Account
from services.campaigns.domain.campaigns import Campaign
from services.campaigns.domain.contactability import Decision, Verdict
from services.campaigns.domain.dialing_policies import Gate
from services.campaigns.store import budgets, contacts, holds, verdicts
from services.campaigns.store.campaigns import Locked


async def read_accounts(
    conn: Connection, campaign: Campaign, gate: Gate, *, now: datetime
) -> tuple[Account, Account]:
    """The campaign's and the organization's; what nothing limits is not added up."""
    own, shared = gate.campaign_policy.budget, gate.policy.budget
    of_campaign, of_organization = Account(), Account()
    if own is not None:
        of_campaign = Account(budget=own, spending=await budgets.read_campaign(conn, campaign.id))
    if shared is not None:
        spending = await budgets.read_organization(
            conn, campaign.org_id, period_days=shared.period_days or 1, now=now
        )
        of_organization = Account(budget=shared, spending=spending)
    return of_campaign, of_organization


async def has_money(conn: Connection, locked: Locked, gate: Gate, *, cost_usd: Decimal) -> bool:
    """Whether another call may be paid for. If not, the campaign is held, and the verdict on whoever is next
    in line says why, once."""
    campaign = locked.campaign
    of_campaign, of_organization = await read_accounts(conn, campaign, gate, now=locked.now)
    hold = budget_domain.hold(
        campaign=of_campaign, organization=of_organization, cost_usd=cost_usd, now=locked.now
    )
    if hold is None:
        if gate.held:
            await holds.lift(conn, campaign.id)
        return True
    if await holds.save(conn, hold, campaign_id=campaign.id, org_id=campaign.org_id):
        for contact in await contacts.list_due(conn, campaign.id, limit=1):
            verdict = Verdict(Decision.WAIT, hold.reason, hold.until)
            await verdicts.insert(conn, contact.id, verdict, org_id=campaign.org_id, campaign_id=campaign.id)
    return False


async def true_up(conn: Connection, attempt: Attempt, *, org_id: UUID) -> None:
    """Of a locked campaign. Money that becomes free is there for all campaigns of the organization."""
    outcome = budget_domain.true_up(attempt)
    if outcome is None:
        return
    if await budgets.true_up(conn, attempt.id, outcome, cost_usd=attempt.cost_usd):
        await holds.lift_unlocked(conn, org_id)
