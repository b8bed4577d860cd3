"""Leads: requests of callers that somebody has to follow up.

    NEW -> CONTACTED -> QUOTED -> SCHEDULED -> WON | LOST

People move it, in any order, until it is closed. A caller has one open lead per kind of service; calling
again updates it. Each has a time by which somebody has to have taken it up; one that is still NEW past that
time has breached its SLA, which is said once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from services.calls.domain.business_hours import BusinessHours
from services.calls.domain.call import Call, Direction, Outcome, Priority
from services.calls.domain.priority import UNJUDGED, Judgement, Request, judge, seconds_to_react
from services.calls.domain.rules import RuleBook

SOURCE_CALL: Final = "inbound_call"
SOURCE_API: Final = "api"
# The reason of a priority that no rule gave.
CHOSEN: Final = "chosen"
_SOURCE_OUTBOUND: Final = "outbound_call"


class LeadStatus(StrEnum):
    NEW = "NEW"
    CONTACTED = "CONTACTED"
    QUOTED = "QUOTED"
    SCHEDULED = "SCHEDULED"
    WON = "WON"
    LOST = "LOST"

    @property
    def closed(self) -> bool:
        return self in (LeadStatus.WON, LeadStatus.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One row of `calls.leads`; `version` is the etag. `call_id` opened it, `last_call_id` is the latest one
    about it; a lead that was entered by hand may have neither."""

    id: UUID
    org_id: UUID
    call_id: UUID | None
    last_call_id: UUID | None
    customer_number: str
    customer_name: str = ""
    customer_email: str = ""
    service_type: str = ""
    priority: Priority
    priority_reason: str
    sla_seconds: int
    sla_due_at: datetime
    address: str = ""
    city: str = ""
    postal_code: str = ""
    problem_description: str = ""
    estimated_value: int | None = None
    notes: str = ""
    status: LeadStatus = LeadStatus.NEW
    source: str = SOURCE_CALL
    assigned_to: str = ""
    scheduled_at: datetime | None = None
    follow_up_at: datetime | None = None
    sla_breached_at: datetime | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLead:
    """A lead that is entered, not told by a call. Without a `priority` the rules judge it."""

    call_id: UUID | None = None
    customer_number: str = ""
    customer_name: str = ""
    customer_email: str = ""
    service_type: str = ""
    priority: Priority | None = None
    address: str = ""
    city: str = ""
    postal_code: str = ""
    problem_description: str = ""
    estimated_value: int | None = None
    notes: str = ""
    source: str = SOURCE_API
    assigned_to: str = ""
    scheduled_at: datetime | None = None
    follow_up_at: datetime | None = None


# What a call tells anew about a request; silence leaves what was known.
_TOLD: Final = (
    "customer_name", "customer_email", "address", "city", "postal_code", "problem_description",
    "estimated_value",
)  # fmt: skip


_ENTERED: Final = (
    *_TOLD, "call_id", "customer_number", "service_type", "notes", "source", "assigned_to", "scheduled_at",
    "follow_up_at",
)  # fmt: skip
_URGENCY: Final = ("priority", "priority_reason", "sla_seconds", "sla_due_at")


def opens_lead(call: Call, rules: RuleBook) -> bool:
    """Somebody called in, was judged, and either spoke or left a description of a problem that is taken
    on."""
    if call.direction is not Direction.INBOUND or call.reported_at is None or call.priority is None:
        return False
    if rules.refuses(call.service_type):
        return False
    return call.outcome is Outcome.HUMAN or bool(call.problem_description)


def opened(lead_id: UUID, call: Call, *, now: datetime) -> Lead:
    """Of a call that `opens_lead`."""
    sla_seconds = call.sla_seconds or 0
    return Lead(
        id=lead_id,
        org_id=call.org_id,
        call_id=call.id,
        last_call_id=call.id,
        customer_number=call.customer_number,
        customer_name=call.customer_name,
        customer_email=call.customer_email,
        service_type=call.service_type,
        priority=call.priority or Priority.P4,
        priority_reason=call.priority_reason,
        sla_seconds=sla_seconds,
        sla_due_at=call.sla_due_at or now + timedelta(seconds=sla_seconds),
        address=call.address,
        city=call.city,
        postal_code=call.postal_code,
        problem_description=call.problem_description,
        estimated_value=call.estimated_value,
        source=SOURCE_CALL if call.direction is Direction.INBOUND else _SOURCE_OUTBOUND,
        created_at=now,
        updated_at=now,
    )


def updated(lead: Lead, call: Call, *, retype: bool, now: datetime) -> Lead:
    """The lead after another call about it, or after more is known about its call. Another call makes it
    more urgent, never less. The same object if nothing changed. `retype`: it may become one of the call's
    kind of service."""
    changes: dict[str, Any] = {
        name: getattr(call, name) for name in _TOLD if getattr(call, name) not in ("", None)
    }
    if retype and call.service_type:
        changes["service_type"] = call.service_type
    again = lead.last_call_id == call.id == lead.call_id
    fresh = opened(lead.id, call, now=now)
    if again or fresh.priority < lead.priority:
        changes |= {name: getattr(fresh, name) for name in _URGENCY}
    changed = replace(lead, **changes, last_call_id=call.id)
    if changed == lead:
        return lead
    return replace(changed, version=lead.version + 1, updated_at=now)


def entered(
    lead_id: UUID, new: NewLead, judgement: Judgement, *, org_id: UUID, hours: BusinessHours, now: datetime
) -> Lead:
    """The clock of an entered lead runs from now."""
    sla_seconds = seconds_to_react(judgement, hours, since=now)
    told = {name: getattr(new, name) for name in _ENTERED}
    return Lead(
        id=lead_id,
        org_id=org_id,
        last_call_id=new.call_id,
        priority=judgement.priority,
        priority_reason=judgement.reason,
        sla_seconds=sla_seconds,
        sla_due_at=now + timedelta(seconds=sla_seconds),
        created_at=now,
        updated_at=now,
        **told,
    )


def judgement_of(new: NewLead, rules: RuleBook, *, now: datetime) -> Judgement:
    """By the rules; a priority that somebody chose has the seconds of the first rule that gives it."""
    request = Request(description=new.problem_description, value=new.estimated_value or 0, at=now)
    judged = judge(rules, request)
    if new.priority is None or new.priority is judged.priority:
        return judged
    rule = next((rule for rule in rules.priority if rule.priority is new.priority), None)
    sla_seconds = rule.sla_seconds if rule else UNJUDGED.sla_seconds
    return Judgement(priority=new.priority, reason=CHOSEN, sla_seconds=sla_seconds)
