"""The rules by which an organization judges calls and prices jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.calls.domain.call import Priority
from services.calls.domain.text import contains_any, folded, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityRule:
    """Matches if one of its keywords occurs or the value reaches `value_min`; with neither it matches
    always."""

    name: str
    position: int
    active: bool = True
    keywords: tuple[str, ...] = ()
    value_min: int | None = None
    priority: Priority
    reason: str
    sla_seconds: int

    def matches(self, folded_text: str, *, value: float) -> bool:
        if not self.keywords and self.value_min is None:
            return True
        if self.value_min is not None and value >= self.value_min:
            return True
        return contains_any(folded_text, self.keywords)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPriorityRule:
    id: UUID
    rule: PriorityRule
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingRule:
    """The base price of a kind of service; of everything unknown if `service_type` is empty. Whole units."""

    service_type: str
    price_min: int
    price_max: int
    currency: str
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPricingRule:
    id: UUID
    rule: PricingRule


class AdjustmentKind(StrEnum):
    """LOCATION and URGENCY add their amount, COMPLEXITY multiplies by its factor. Nothing costs less than
    MINIMUM's amount; the upper end is the estimate times SPREAD's factor."""

    LOCATION = "LOCATION"
    URGENCY = "URGENCY"
    COMPLEXITY = "COMPLEXITY"
    MINIMUM = "MINIMUM"
    SPREAD = "SPREAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    kind: AdjustmentKind
    name: str = ""
    amount: int = 0
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All active rules of an organization; priority rules in the order in which they are tried."""

    priority: Sequence[PriorityRule] = ()
    pricing: Sequence[PricingRule] = ()
    adjustments: Sequence[Adjustment] = ()
    refused_services: frozenset[str] = field(default_factory=frozenset)

    def refuses(self, service_type: str) -> bool:
        return key_of(service_type) in self.refused_services


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    priority: Priority
    reason: str
    sla_seconds: int


# For organizations without a rule that matches: nothing urgent, but somebody should look within the day.
UNJUDGED: Final = Judgement(priority=Priority.P4, reason="no_rule", sla_seconds=86_400)


def judge(rules: RuleBook, *, text: str, value: float) -> Judgement:
    """By the first rule that matches."""
    folded_text = folded(text)
    for rule in rules.priority:
        if rule.matches(folded_text, value=value):
            return Judgement(priority=rule.priority, reason=rule.reason, sla_seconds=rule.sla_seconds)
    return UNJUDGED
