"""Policies, verdicts and estimates as DialingService shows and reads them."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from google.protobuf.message import Message

from callplane.campaigns.v2 import dialing_pb2
from libs.errors import FieldViolation, InvalidArgument
from libs.rpc import pages
from libs.rpc.convert import timestamp
from services.campaigns.domain.budgets import Account, Budget
from services.campaigns.domain.calling_hours import CallingHours, Window
from services.campaigns.domain.contactability import Decision, FrequencyCap, StoredVerdict
from services.campaigns.domain.dialing_policies import CampaignPolicy, KillSwitch, Policy
from services.campaigns.operations.preflight import DialingState, Preflight


def calling_hours(sent: Iterable[dialing_pb2.CallingWindow]) -> CallingHours:
    return CallingHours(
        tuple(
            sorted(Window(day=one.day, opens=_minute(one.opens), closes=_minute(one.closes)) for one in sent)
        )
    )


def frequency_cap(sent: dialing_pb2.FrequencyCap) -> FrequencyCap:
    return FrequencyCap(contacts_max=sent.contacts_max, period=timedelta(hours=sent.period_hours))


def budget(sent: dialing_pb2.OrganizationBudget) -> Budget:
    limit_usd = _positive(sent.limit_usd, field="budget.limitUsd")
    return Budget(limit_usd=limit_usd, period_days=sent.period_days)


def usd(request: Message, field: str) -> Decimal | None:
    if not request.HasField(field):
        return None
    return _positive(getattr(request, field), field=field)


def _positive(text: str, *, field: str) -> Decimal:
    """The rules of the message have checked the form."""
    amount = Decimal(text)
    if not amount:
        raise InvalidArgument(violations=[FieldViolation(field, "must be more than nothing")])
    return amount


def _minute(clock: str) -> int:
    """Of the day; the rules of the message have checked the form."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _windows(hours: CallingHours) -> list[dialing_pb2.CallingWindow]:
    return [
        dialing_pb2.CallingWindow(day=one.day, opens=_clock(one.opens), closes=_clock(one.closes))
        for one in hours.weekly
    ]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _cap_message(cap: FrequencyCap | None) -> dialing_pb2.FrequencyCap | None:
    if cap is None:
        return None
    hours = round(cap.period / timedelta(hours=1))
    return dialing_pb2.FrequencyCap(contacts_max=cap.contacts_max, period_hours=hours)


def policy(found: Policy) -> dialing_pb2.DialingPolicy:
    return dialing_pb2.DialingPolicy(
        consent_required=found.consent_required,
        calling_hours=_windows(found.calling_hours),
        frequency_cap=_cap_message(found.frequency_cap),
        budget=_budget(found.budget),
        call_cost_max_usd=_known(found.call_cost_max_usd),
        etag=found.etag,
        updated_at=timestamp(found.updated_at),
    )


def campaign_policy(found: CampaignPolicy, *, campaign_id: UUID) -> dialing_pb2.CampaignDialingPolicy:
    return dialing_pb2.CampaignDialingPolicy(
        campaign_id=str(campaign_id),
        consent_required=found.consent_required,
        calling_hours=_windows(found.calling_hours),
        budget_usd=_known(found.budget.limit_usd if found.budget else None),
        call_cost_max_usd=_known(found.call_cost_max_usd),
        etag=found.etag,
        updated_at=timestamp(found.updated_at),
    )


def _budget(found: Budget | None) -> dialing_pb2.OrganizationBudget | None:
    if found is None:
        return None
    return dialing_pb2.OrganizationBudget(
        limit_usd=_text(found.limit_usd), period_days=found.period_days or 0
    )


def _text(amount: Decimal) -> str:
    return f"{amount:.4f}"


def _known(amount: Decimal | None) -> str | None:
    return None if amount is None else _text(amount)


def kill_switch(switch: KillSwitch) -> dialing_pb2.KillSwitch:
    return dialing_pb2.KillSwitch(
        engaged=switch.engaged, reason=switch.reason, engaged_at=timestamp(switch.engaged_at)
    )


def verdict(found: StoredVerdict) -> dialing_pb2.Verdict:
    return dialing_pb2.Verdict(
        id=str(found.id),
        campaign_id=str(found.campaign_id),
        contact_id=str(found.contact_id),
        decision=_decision(found.verdict.decision),
        reason=found.verdict.reason,
        until=timestamp(found.verdict.until),
        decided_at=timestamp(found.decided_at),
    )


def state(found: DialingState) -> dialing_pb2.DialingState:
    campaign = found.campaign
    return dialing_pb2.DialingState(
        campaign_id=str(campaign.id),
        hold_reason=found.hold.reason if found.hold else "",
        held_since=timestamp(found.since),
        held_until=timestamp(found.hold.until if found.hold else None),
        campaign_budget=_account_message(found.own),
        organization_budget=_account_message(found.organization),
        calls_without_cost=found.awaited.calls,
        reserved_without_cost_usd=_text(found.awaited.reserved_usd),
        provider_limit=campaign.line_limit,
        provider_probe_at=timestamp(campaign.probe_at),
    )


def _account_message(account: Account) -> dialing_pb2.BudgetState:
    return dialing_pb2.BudgetState(
        limit_usd=_known(account.budget.limit_usd if account.budget else None),
        spent_usd=_text(account.spending.spent_usd),
        reserved_usd=_text(account.spending.reserved_usd),
    )


def preflight(found: Preflight) -> dialing_pb2.PreflightCampaignResponse:
    last = found.not_dialed[-1][0].position if found.more else None
    cost = found.cost
    return dialing_pb2.PreflightCampaignResponse(
        contacts=found.contacts,
        reasons=[
            dialing_pb2.ReasonCount(decision=_decision(decision), reason=reason, contacts=count)
            for (decision, reason), count in found.reasons.most_common()
        ],
        contacts_not_dialed=[
            dialing_pb2.PreflightContact(
                contact_id=str(contact.id),
                name=contact.name,
                phone=contact.phone,
                decision=_decision(verdict.decision),
                reason=verdict.reason,
                until=timestamp(verdict.until),
            )
            for contact, verdict in found.not_dialed
        ],
        next_page_token=pages.encode([str(last)]) if last is not None else "",
        hold_reason=found.hold_reason,
        finishes_at=timestamp(found.finishes_at),
        cost_low_usd=_known(cost.low_usd if cost else None),
        cost_high_usd=_known(cost.high_usd if cost else None),
    )


def _decision(decision: Decision) -> dialing_pb2.Verdict.Decision.ValueType:
    return dialing_pb2.Verdict.Decision.Value(decision.value)
