"""The rules by which an organization judges calls, prices jobs and takes them on.

Each rule can `check` itself, which raises InvalidArgument with the fields that are wrong, and has a `label`
by which people know it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from libs.errors import FieldViolation, InvalidArgument
from services.calls.domain.business_hours import ALWAYS_OPEN, BusinessHours
from services.calls.domain.call import Priority
from services.calls.domain.patterns import problem_of
from services.calls.domain.text import contains_phrase, words_of

COMPLEXITIES: Final = ("standard", "complex", "very_complex")


class Rule(Protocol):
    @property
    def label(self) -> str: ...

    def check(self) -> None: ...


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored(Generic[T]):
    """A rule with what only the database knows of it."""

    id: UUID
    rule: T
    updated_at: datetime


class TextField(StrEnum):
    DESCRIPTION = "DESCRIPTION"
    SUMMARY = "SUMMARY"
    TRANSCRIPT = "TRANSCRIPT"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityRule:
    """Matches if one of its keywords or its pattern occurs or the value reaches `value_min`; with none of
    these it matches always. Looks into all texts if `fields` is empty."""

    name: str
    position: int
    active: bool = True
    keywords: tuple[str, ...] = ()
    pattern: str = ""
    fields: tuple[TextField, ...] = ()
    customer_type: str = ""
    value_min: int | None = None
    priority: Priority
    reason: str
    sla_seconds: int
    escalation: tuple[str, ...] = ()
    business_hours_only: bool = False
    effective_from: datetime | None = None
    effective_until: datetime | None = None

    @property
    def label(self) -> str:
        return self.name

    def check(self) -> None:
        _refuse(
            [problem_of(self.pattern, field="pattern"), _order(self.effective_from, self.effective_until)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingRule:
    """The price of a kind of service; of everything unknown if `service_type` is empty. Whole units. A quote
    begins with `price_base`, with `price_min` if that is None."""

    service_type: str
    price_min: int
    price_max: int
    currency: str
    active: bool = True
    price_base: int | None = None
    unit: str = "job"
    effective_from: datetime | None = None
    effective_until: datetime | None = None

    @property
    def label(self) -> str:
        return self.service_type

    @property
    def base(self) -> int:
        return self.price_min if self.price_base is None else self.price_base

    def check(self) -> None:
        found = [_order(self.effective_from, self.effective_until)]
        if self.price_max < self.price_min:
            found.append(FieldViolation("priceMax", "must not be less than priceMin"))
        elif not self.price_min <= self.base <= self.price_max:
            found.append(FieldViolation("priceBase", "must lie between priceMin and priceMax"))
        _refuse(found)


class AdjustmentKind(StrEnum):
    """LOCATION, URGENCY and AFTER_HOURS add their amount, COMPLEXITY multiplies by its factor. Nothing costs
    less than MINIMUM's amount; the upper end is the estimate times SPREAD's factor."""

    LOCATION = "LOCATION"
    URGENCY = "URGENCY"
    AFTER_HOURS = "AFTER_HOURS"
    COMPLEXITY = "COMPLEXITY"
    MINIMUM = "MINIMUM"
    SPREAD = "SPREAD"


_NAMED: Final = frozenset({AdjustmentKind.LOCATION, AdjustmentKind.COMPLEXITY})
_FACTORS: Final = frozenset({AdjustmentKind.COMPLEXITY, AdjustmentKind.SPREAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    kind: AdjustmentKind
    name: str = ""
    amount: int = 0
    factor: Decimal = Decimal(1)
    active: bool = True

    @property
    def label(self) -> str:
        return f"{self.kind} {self.name}".strip()

    def check(self) -> None:
        found: list[FieldViolation | None] = []
        if bool(self.name) != (self.kind in _NAMED):
            found.append(
                FieldViolation("name", "must be given for LOCATION and COMPLEXITY, and only for them")
            )
        elif self.kind is AdjustmentKind.COMPLEXITY and self.name not in COMPLEXITIES:
            found.append(FieldViolation("name", f"must be one of {', '.join(COMPLEXITIES)}"))
        if self.kind in _FACTORS and self.amount:
            found.append(FieldViolation("amount", "is for fees and MINIMUM only"))
        if self.kind not in _FACTORS and self.factor != 1:
            found.append(FieldViolation("factor", "is for COMPLEXITY and SPREAD only"))
        if not self.factor > 0:
            found.append(FieldViolation("factor", "must be more than 0"))
        _refuse(found)


class Verdict(StrEnum):
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    NEEDS_ASSESSMENT = "NEEDS_ASSESSMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRule:
    """Whether a kind of service is taken on; holds for every request in which its words occur."""

    service_type: str
    verdict: Verdict
    message_fr: str = ""
    message_en: str = ""
    active: bool = True

    @property
    def label(self) -> str:
        return self.service_type

    def check(self) -> None:
        found = FieldViolation("serviceType", "must have letters or digits")
        _refuse([None if words_of(self.service_type) else found])


class WindowUnit(StrEnum):
    HOURS = "HOURS"
    WORKING_DAYS = "WORKING_DAYS"
    WEEKS = "WEEKS"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingRule:
    """How soon a job can be done, for a kind of service (all if empty) and a priority (all if None).
    `window_label` is the window in words, `soonest` and `latest` the same in units from now."""

    name: str
    position: int
    active: bool = True
    service_type: str = ""
    priority: Priority | None = None
    window_label: str
    soonest: int
    latest: int
    unit: WindowUnit
    can_schedule: bool = True
    requirements: tuple[str, ...] = ()
    message_fr: str = ""
    message_en: str = ""

    @property
    def label(self) -> str:
        return self.name

    def fits(self, service_type: str, priority: Priority | None) -> bool:
        if self.priority is not None and priority is not self.priority:
            return False
        return not self.service_type or contains_phrase(service_type, self.service_type)

    def check(self) -> None:
        _refuse(
            [
                FieldViolation("latest", "must not be less than soonest")
                if self.latest < self.soonest
                else None
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All active rules of an organization; priority and scheduling rules in the order in which they are
    tried."""

    priority: Sequence[PriorityRule] = ()
    pricing: Sequence[PricingRule] = ()
    adjustments: Sequence[Adjustment] = ()
    services: Sequence[ServiceRule] = ()
    scheduling: Sequence[SchedulingRule] = ()
    business_hours: BusinessHours = field(default=ALWAYS_OPEN)

    def service_rule(self, service_type: str) -> ServiceRule | None:
        """Of the rules whose words occur in it, the one with the most words."""
        found = [rule for rule in self.services if contains_phrase(service_type, rule.service_type)]
        return max(found, key=lambda rule: len(words_of(rule.service_type).split()), default=None)

    def refuses(self, service_type: str) -> bool:
        rule = self.service_rule(service_type)
        return rule is not None and rule.verdict is Verdict.REFUSED


def in_force(rule: PriorityRule | PricingRule, *, at: datetime) -> bool:
    return (rule.effective_from is None or rule.effective_from <= at) and (
        rule.effective_until is None or at < rule.effective_until
    )


def _order(since: datetime | None, until: datetime | None) -> FieldViolation | None:
    if since is not None and until is not None and until <= since:
        return FieldViolation("effectiveUntil", "must be after effectiveFrom")
    return None


def _refuse(found: Sequence[FieldViolation | None]) -> None:
    violations = [one for one in found if one is not None]
    if violations:
        raise InvalidArgument(violations=violations)
