"""Whether a request is taken on, and how soon, in words for the customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from services.calls.domain.business_hours import BusinessHours, Language
from services.calls.domain.call import Priority
from services.calls.domain.rules import RuleBook, SchedulingRule, ServiceRule, Verdict, WindowUnit

_VERDICTS: Final = {
    (Verdict.ACCEPTED, Language.FR): "Oui, nous offrons ce service.",
    (Verdict.ACCEPTED, Language.EN): "Yes, we offer this service.",
    (Verdict.REFUSED, Language.FR): "Désolé, nous n'offrons pas ce service.",
    (Verdict.REFUSED, Language.EN): "Sorry, we do not offer this service.",
    (
        Verdict.NEEDS_ASSESSMENT,
        Language.FR,
    ): "Nous devons d'abord évaluer votre demande; nous vous rappellerons.",
    (Verdict.NEEDS_ASSESSMENT, Language.EN): "We have to assess your request first; we will call you back.",
}
_CALL_BACK: Final = {
    Language.FR: "Nous vous rappellerons pour fixer un rendez-vous.",
    Language.EN: "We will call you back to set a time.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What needs an assessment is taken on, too."""

    verdict: Verdict
    message: str

    @property
    def accepted(self) -> bool:
        return self.verdict is not Verdict.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """`earliest_on` is in the organization's time zone; None if nothing can be scheduled."""

    window: str
    can_schedule: bool
    message: str
    earliest_on: date | None
    requirements: Sequence[str]


def accept(rules: RuleBook, service: str, *, language: Language) -> Acceptance:
    """What no rule knows needs an assessment."""
    rule = rules.service_rule(service)
    verdict = rule.verdict if rule else Verdict.NEEDS_ASSESSMENT
    return Acceptance(verdict=verdict, message=_said(rule, language) or _VERDICTS[verdict, language])


def schedule(
    rules: RuleBook, *, service_type: str, priority: Priority | None, language: Language, now: datetime
) -> Scheduling:
    if rules.refuses(service_type):
        refusal = accept(rules, service_type, language=language)
        return Scheduling(
            window="", can_schedule=False, message=refusal.message, earliest_on=None, requirements=()
        )
    rule = next((one for one in rules.scheduling if one.fits(service_type, priority)), None)
    if rule is None or not rule.can_schedule:
        return Scheduling(
            window=rule.window_label if rule else "",
            can_schedule=False,
            message=_said(rule, language) or _CALL_BACK[language],
            earliest_on=None,
            requirements=rule.requirements if rule else (),
        )
    return Scheduling(
        window=rule.window_label,
        can_schedule=True,
        message=_said(rule, language) or _window_sentence(rule, language),
        earliest_on=_earliest(rule, rules.business_hours, now=now),
        requirements=rule.requirements,
    )


def _said(rule: ServiceRule | SchedulingRule | None, language: Language) -> str:
    """In the other language rather than not at all."""
    if rule is None:
        return ""
    said = {Language.FR: rule.message_fr, Language.EN: rule.message_en}
    return said[language] or rule.message_fr or rule.message_en


def _window_sentence(rule: SchedulingRule, language: Language) -> str:
    if language is Language.FR:
        return f"Délai prévu: {rule.window_label}."
    return f"Expected time: {rule.window_label}."


def _earliest(rule: SchedulingRule, hours: BusinessHours, *, now: datetime) -> date:
    today = hours.local(now).date()
    match rule.unit:
        case WindowUnit.HOURS:
            return hours.local(now + timedelta(hours=rule.soonest)).date()
        case WindowUnit.WORKING_DAYS:
            return hours.working_day_after(today, count=rule.soonest)
        case WindowUnit.WEEKS:
            return hours.working_day_after(today + timedelta(weeks=rule.soonest), count=0)
