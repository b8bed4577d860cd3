"""What a job costs, as a range and step by step. Whole units of the currency; halves are rounded up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from services.calls.domain.business_hours import Language
from services.calls.domain.rules import Adjustment, AdjustmentKind, PricingRule, RuleBook, in_force
from services.calls.domain.text import folded, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be priced. `after_hours` None: an urgent job is done at once, so it is outside business
    hours if the organization is closed `at` the time; any other is done in them."""

    service_type: str
    location: str = ""
    urgent: bool = False
    complexity: str = "standard"
    after_hours: bool | None = None
    at: datetime


@dataclass(frozen=True, slots=True)
class QuoteItem:
    """One step of the lower end: what it added."""

    kind: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    min: int
    max: int
    currency: str
    unit: str
    items: Sequence[QuoteItem]

    def message(self, language: Language) -> str:
        if language is Language.FR:
            if self.min == self.max:
                return f"Le prix est de {self.min} {self.currency}."
            return f"Le prix se situe entre {self.min} et {self.max} {self.currency}."
        if self.min == self.max:
            return f"The price is {self.min} {self.currency}."
        return f"The price is between {self.min} and {self.max} {self.currency}."


def quote(rules: RuleBook, job: Job) -> Quote | None:
    """None if no rule prices this service, nor any other."""
    base = _base(rules.pricing, job)
    if base is None:
        return None
    items = [QuoteItem("base", base.base), *_fees(rules, job)]
    estimate = sum(item.amount for item in items)
    complicated = _rounded(estimate * _factor(rules, AdjustmentKind.COMPLEXITY, job.complexity))
    items.append(QuoteItem("complexity", complicated - estimate))
    least = max((found.amount for found in _of(rules, AdjustmentKind.MINIMUM)), default=0)
    lower = max(complicated, least, base.price_min)
    items.append(QuoteItem("minimum", lower - complicated))
    upper = _rounded(complicated * _factor(rules, AdjustmentKind.SPREAD))
    return Quote(
        min=lower,
        max=max(upper, base.price_max, lower),
        currency=base.currency,
        unit=base.unit,
        items=[item for item in items if item.amount or item.kind == "base"],
    )


def _base(rules: Sequence[PricingRule], job: Job) -> PricingRule | None:
    prices = {rule.service_type: rule for rule in rules if in_force(rule, at=job.at)}
    return prices.get(key_of(job.service_type)) or prices.get("")


def _fees(rules: RuleBook, job: Job) -> list[QuoteItem]:
    """`Longueuil, Rive-Sud` lies in `rive_sud`."""
    place = f" {folded(job.location)} "
    fees = [
        QuoteItem("location", found.amount)
        for found in _of(rules, AdjustmentKind.LOCATION)
        if f" {folded(found.name)} " in place
    ]
    if job.urgent:
        fees += [QuoteItem("urgency", found.amount) for found in _of(rules, AdjustmentKind.URGENCY)]
    if _is_after_hours(rules, job):
        fees += [QuoteItem("after_hours", found.amount) for found in _of(rules, AdjustmentKind.AFTER_HOURS)]
    return fees


def _is_after_hours(rules: RuleBook, job: Job) -> bool:
    if job.after_hours is not None:
        return job.after_hours
    return job.urgent and not rules.business_hours.is_open(job.at)


def _of(rules: RuleBook, kind: AdjustmentKind) -> list[Adjustment]:
    return [found for found in rules.adjustments if found.kind is kind]


def _factor(rules: RuleBook, kind: AdjustmentKind, name: str = "") -> Decimal:
    return next((found.factor for found in _of(rules, kind) if found.name == name), Decimal(1))


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))
