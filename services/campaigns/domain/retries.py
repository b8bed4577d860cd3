"""When a contact who was not reached is tried again: by the rule for how the call ended, at a part of the
recipient's day that suits, and within one budget of attempts that all rules share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Outcome(StrEnum):
    """How a call ended that may be tried again."""

    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    VOICEMAIL = "VOICEMAIL"
    CALL_SCREENING = "CALL_SCREENING"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Daypart(StrEnum):
    """A part of the recipient's day: 8 to 12, 12 to 17, 17 to 21 o'clock."""

    MORNING = "MORNING"
    AFTERNOON = "AFTERNOON"
    EVENING = "EVENING"


_HOURS: Mapping[Daypart, tuple[int, int]] = {
    Daypart.MORNING: (8, 12),
    Daypart.AFTERNOON: (12, 17),
    Daypart.EVENING: (17, 21),
}
# Without a rule of their own: somebody was perhaps reached in the others.
_TRIED_AGAIN_BY_DEFAULT = frozenset({Outcome.NO_ANSWER, Outcome.BUSY, Outcome.VOICEMAIL, Outcome.FAILED})
# A part of the day that no moment of so many days is in for every zone is not waited for.
_DAYS_AHEAD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """What follows a call that ended with `outcome`. None leaves a value to the campaign: its delay, its
    budget. `max_retries` counts the contact's calls that ended so; 0 is never."""

    outcome: Outcome
    max_retries: int | None = None
    delay_seconds: int | None = None
    # Only in these parts of the day; at any time if empty.
    dayparts: tuple[Daypart, ...] = ()
    # Not in the part of the day in which the contact was called last.
    another_daypart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`max_attempts` is the contact's budget, whatever rules called for its attempts."""

    max_attempts: int
    delay_seconds: int
    rules: tuple[RetryRule, ...] = ()

    def rule(self, outcome: str) -> RetryRule | None:
        """The rule for an outcome; None if it is not tried again."""
        if outcome not in Outcome.__members__:
            return None
        for rule in self.rules:
            if rule.outcome == outcome:
                return rule
        return RetryRule(outcome=Outcome(outcome)) if outcome in _TRIED_AGAIN_BY_DEFAULT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was tried with a contact. `attempts`: those that count. `ended_so`: how many of them ended as the
    last one did, itself included. `zones`: every zone the contact may be in; none if nobody knows."""

    attempts: int
    ended_so: int
    called_at: datetime
    zones: Sequence[ZoneInfo]


def retry_at(policy: RetryPolicy, outcome: str, history: History, *, now: datetime) -> datetime | None:
    """When the contact is tried again after an attempt that is over; None if it is not."""
    rule = policy.rule(outcome)
    if rule is None or history.attempts >= policy.max_attempts:
        return None
    if rule.max_retries is not None and history.ended_so > rule.max_retries:
        return None
    delay = policy.delay_seconds if rule.delay_seconds is None else rule.delay_seconds
    return _suitable(rule, history, earliest=now + timedelta(seconds=delay))


def daypart(moment: datetime, zone: ZoneInfo) -> Daypart | None:
    """None at night."""
    hour = moment.astimezone(zone).hour
    return next((part for part, (start, end) in _HOURS.items() if start <= hour < end), None)


def _suitable(rule: RetryRule, history: History, *, earliest: datetime) -> datetime:
    """The first moment that lies in a wanted part of the day in every zone. Parts of the day are a wish: if
    the zone is unknown, or no moment suits all zones, the delay alone counts. Whether the law lets us call
    then is not decided here."""
    wanted = {zone: _wanted(rule, daypart(history.called_at, zone)) for zone in history.zones}
    if not any(len(parts) < len(Daypart) or rule.dayparts for parts in wanted.values()):
        return earliest
    starts = (moment for zone, parts in wanted.items() for moment in _starts(zone, parts, earliest=earliest))
    for moment in (earliest, *sorted(starts)):
        if all(daypart(moment, zone) in parts for zone, parts in wanted.items()):
            return moment
    return earliest


def _wanted(rule: RetryRule, last: Daypart | None) -> frozenset[Daypart]:
    parts = frozenset(rule.dayparts or Daypart)
    if not rule.another_daypart or last is None:
        return parts
    # A rule that wants one part of the day only cannot change it.
    return parts - {last} or parts


def _starts(zone: ZoneInfo, parts: frozenset[Daypart], *, earliest: datetime) -> Iterator[datetime]:
    today = earliest.astimezone(zone).date()
    for day in range(_DAYS_AHEAD):
        for part in parts:
            start = datetime.combine(today + timedelta(days=day), time(_HOURS[part][0]), zone)
            if start > earliest:
                yield start
