"""How urgent a request is, by an organization's rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from services.calls.domain.business_hours import BusinessHours
from services.calls.domain.call import Priority
from services.calls.domain.patterns import occurs
from services.calls.domain.rules import PriorityRule, RuleBook, TextField, in_force
from services.calls.domain.text import contains_any, folded, key_of, plain

# Of each text; beyond, nobody reads on.
_TEXT_LENGTH_MAX: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What there is to judge by. `at` decides which rules are in force."""

    description: str = ""
    summary: str = ""
    transcript: str = ""
    customer_type: str = ""
    value: float = 0
    at: datetime

    @cached_property
    def folded(self) -> dict[TextField, str]:
        return {name: folded(text) for name, text in self._texts.items()}

    @cached_property
    def plain(self) -> dict[TextField, str]:
        return {name: plain(text) for name, text in self._texts.items()}

    @property
    def _texts(self) -> dict[TextField, str]:
        return {name: getattr(self, name.lower())[:_TEXT_LENGTH_MAX] for name in TextField}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`business_hours_only`: the time to react runs while the organization is open."""

    priority: Priority
    reason: str
    sla_seconds: int
    escalation: Sequence[str] = ()
    business_hours_only: bool = False


# For organizations without a rule that matches: nothing urgent, but somebody should look within the day.
UNJUDGED: Final = Judgement(priority=Priority.P4, reason="no_rule", sla_seconds=86_400)


def judge(rules: RuleBook, request: Request) -> Judgement:
    """By the first rule that matches."""
    for rule in rules.priority:
        if _concerns(rule, request) and _matches(rule, request):
            return Judgement(
                priority=rule.priority,
                reason=rule.reason,
                sla_seconds=rule.sla_seconds,
                escalation=rule.escalation,
                business_hours_only=rule.business_hours_only,
            )
    return UNJUDGED


def seconds_to_react(judgement: Judgement, hours: BusinessHours, *, since: datetime | None) -> int:
    """From `since` on, hours in which the organization is closed included where they do not count."""
    if since is None or not judgement.business_hours_only:
        return judgement.sla_seconds
    return round((hours.later(since, seconds=judgement.sla_seconds) - since).total_seconds())


def _concerns(rule: PriorityRule, request: Request) -> bool:
    of_type = not rule.customer_type or key_of(rule.customer_type) == key_of(request.customer_type)
    return of_type and in_force(rule, at=request.at)


def _matches(rule: PriorityRule, request: Request) -> bool:
    if not rule.keywords and not rule.pattern and rule.value_min is None:
        return True
    if rule.value_min is not None and request.value >= rule.value_min:
        return True
    fields = rule.fields or tuple(TextField)
    if any(contains_any(request.folded[name], rule.keywords) for name in fields):
        return True
    return bool(rule.pattern) and any(occurs(rule.pattern, request.plain[name]) for name in fields)
