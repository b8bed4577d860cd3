"""What a job costs, as a range and step by step. Whole units of the currency; halves are rounded up."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from services.calls.domain.rules import Adjustment, AdjustmentKind, PricingRule, RuleBook
from services.calls.domain.text import folded, key_of

COMPLEXITIES: Final = ("standard", "complex", "very_complex")


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
    items: Sequence[QuoteItem]

    @property
    def message(self) -> str:
        if self.min == self.max:
            return f"The price is {self.min} {self.currency}."
        return f"The price is between {self.min} and {self.max} {self.currency}."


def quote(
    rules: RuleBook,
    *,
    service_type: str,
    location: str = "",
    urgent: bool = False,
    complexity: str = "standard",
) -> Quote | None:
    """None if no rule prices this service, nor any other."""
    base = _base(rules.pricing, service_type)
    if base is None:
        return None
    items = [QuoteItem("base", base.price_min)]
    items += _location_items(rules.adjustments, location)
    if urgent:
        items += [
            QuoteItem("urgency", found.amount) for found in _of(rules.adjustments, AdjustmentKind.URGENCY)
        ]
    estimate = sum(item.amount for item in items)
    complicated = _rounded(estimate * _factor(rules.adjustments, AdjustmentKind.COMPLEXITY, complexity))
    items.append(QuoteItem("complexity", complicated - estimate))
    least = max((found.amount for found in _of(rules.adjustments, AdjustmentKind.MINIMUM)), default=0)
    lower = max(complicated, least)
    items.append(QuoteItem("minimum", lower - complicated))
    upper = _rounded(complicated * _factor(rules.adjustments, AdjustmentKind.SPREAD))
    return Quote(
        min=lower,
        max=max(upper, base.price_max, lower),
        currency=base.currency,
        items=[item for item in items if item.amount or item.kind == "base"],
    )


def _base(rules: Sequence[PricingRule], service_type: str) -> PricingRule | None:
    prices = {rule.service_type: rule for rule in rules}
    return prices.get(key_of(service_type)) or prices.get("")


def _location_items(adjustments: Sequence[Adjustment], location: str) -> list[QuoteItem]:
    """`Longueuil, Rive-Sud` lies in `rive_sud`."""
    place = f" {folded(location)} "
    return [
        QuoteItem("location", found.amount)
        for found in _of(adjustments, AdjustmentKind.LOCATION)
        if f" {folded(found.name)} " in place
    ]


def _of(adjustments: Sequence[Adjustment], kind: AdjustmentKind) -> list[Adjustment]:
    return [found for found in adjustments if found.kind is kind]


def _factor(adjustments: Sequence[Adjustment], kind: AdjustmentKind, name: str = "") -> Decimal:
    return next((found.factor for found in _of(adjustments, kind) if found.name == name), Decimal(1))


def _rounded(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))
