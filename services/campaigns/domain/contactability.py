"""Whether a contact may be called at this moment, and why or why not.

What forbids for good comes first, then what only postpones. Whoever waits comes up again when everything that
postpones is over at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from libs import phone
from services.campaigns.domain import calling_hours
from services.campaigns.domain.calling_hours import CallingHours
from services.campaigns.domain.recipient_zones import zone_names


class Decision(StrEnum):
    DIAL = "DIAL"
    # Not yet.
    WAIT = "WAIT"
    # Never, in this campaign.
    SKIP = "SKIP"
    # Its attempts are used up, perhaps because their number was lowered.
    EXHAUSTED = "EXHAUSTED"


SUPPRESSED: Final = "SUPPRESSED"
NO_CONSENT: Final = "NO_CONSENT"
ATTEMPTS_USED_UP: Final = "ATTEMPTS_USED_UP"
TIME_ZONE_UNKNOWN: Final = "TIME_ZONE_UNKNOWN"
NEVER_IN_CALLING_HOURS: Final = "NEVER_IN_CALLING_HOURS"
NOT_DUE: Final = "NOT_DUE"
FREQUENCY_CAP: Final = "FREQUENCY_CAP"
OUTSIDE_CALLING_HOURS: Final = "OUTSIDE_CALLING_HOURS"
FIRST_ATTEMPT: Final = "FIRST_ATTEMPT"
RETRY: Final = "RETRY"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`until`: when a contact that waits comes up again."""

    decision: Decision
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVerdict:
    id: UUID
    campaign_id: UUID
    contact_id: UUID
    verdict: Verdict
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyCap:
    """How often one number may be called or written to in any period of this length, whatever the
    campaign."""

    contacts_max: int
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every contact of a campaign. `hours` must all allow a call; without any, every hour
    does."""

    max_attempts: int
    consent_required: bool = False
    hours: tuple[CallingHours, ...] = ()
    frequency_cap: FrequencyCap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a contact that is not over."""

    phone: str
    # As the file told it, by the IANA's name; empty if it did not.
    time_zone: str
    attempts: int
    next_attempt_at: datetime | None
    suppressed: bool
    consented: bool
    # When the number was called or written to within the period of the frequency cap, latest first; as many
    # as the cap at most.
    contacted_at: tuple[datetime, ...] = ()


def contactability(facts: Facts, rules: Rules, *, now: datetime) -> Verdict:
    return _forbidden(facts, rules) or _postponed(facts, rules, now=now) or _allowed(facts)


def zones_of(facts: Facts) -> tuple[str, ...]:
    """Every zone the contact may be in, by the IANA's names."""
    return zone_names(facts.phone, time_zone=facts.time_zone)


def _forbidden(facts: Facts, rules: Rules) -> Verdict | None:
    if facts.suppressed:
        return Verdict(Decision.SKIP, SUPPRESSED)
    uncallable = phone.uncallable(facts.phone)
    if uncallable is not None:
        return Verdict(Decision.SKIP, uncallable.value)
    if rules.consent_required and not facts.consented:
        return Verdict(Decision.SKIP, NO_CONSENT)
    if facts.attempts >= rules.max_attempts:
        return Verdict(Decision.EXHAUSTED, ATTEMPTS_USED_UP)
    if rules.hours and not zones_of(facts):
        return Verdict(Decision.SKIP, TIME_ZONE_UNKNOWN)
    return None


def _postponed(facts: Facts, rules: Rules, *, now: datetime) -> Verdict | None:
    reason, until = "", now
    if facts.next_attempt_at is not None and facts.next_attempt_at > until:
        reason, until = NOT_DUE, facts.next_attempt_at
    room_at = _room_under_cap_at(facts, rules.frequency_cap)
    if room_at is not None and room_at > until:
        reason, until = FREQUENCY_CAP, room_at
    if rules.hours:
        opens_at = calling_hours.next_opening(until, zones=zones_of(facts), hours=rules.hours)
        if opens_at is None:
            return Verdict(Decision.SKIP, NEVER_IN_CALLING_HOURS)
        if opens_at > until:
            reason, until = OUTSIDE_CALLING_HOURS, opens_at
    return Verdict(Decision.WAIT, reason, until) if reason else None


def _room_under_cap_at(facts: Facts, cap: FrequencyCap | None) -> datetime | None:
    """When the oldest of a full period's contacts leaves it."""
    if cap is None or len(facts.contacted_at) < cap.contacts_max:
        return None
    return facts.contacted_at[cap.contacts_max - 1] + cap.period


def _allowed(facts: Facts) -> Verdict:
    return Verdict(Decision.DIAL, FIRST_ATTEMPT if facts.attempts == 0 else RETRY)
