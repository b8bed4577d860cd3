"""The seeded price list, to the dollar, for every combination."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from services.calls.domain.pricing import Job, Quote
from services.calls.domain.pricing import quote as quote_of
from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import COMPLEXITIES, Adjustment, AdjustmentKind, PricingRule, RuleBook

PACK = RULE_PACKS["drain_cleaning_quebec"]

BASE = {
    "debouchage": (350, 650),
    "camera_inspection": (350, 350),
    "racines_alesage": (450, 750),
    "gainage": (350, 750),
    "drain_francais": (500, 800),
    "installation_cheminee": (2500, 2500),
    "sous_dalle": (350, 1000),
    "anything else": (350, 500),
}


def quote(rules: RuleBook, **job: Any) -> Quote | None:
    return quote_of(rules, Job(at=datetime(2026, 11, 20, 15, tzinfo=UTC), **job))


def expected(service: str, *, rive_sud: bool, urgent: bool, complexity: str) -> tuple[int, int]:
    """The requirement in tenths of dollars, without the code's arithmetic."""
    base_min, base_max = BASE[service]
    tenths = (base_min + 100 * rive_sud + 75 * urgent) * {"standard": 10, "complex": 13, "very_complex": 16}[
        complexity
    ]
    estimate = (tenths + 5) // 10
    return max(estimate, 350), max((estimate * 15 + 5) // 10, base_max)


@pytest.mark.parametrize(
    ("service", "rive_sud", "urgent", "complexity"),
    list(product(BASE, (False, True), (False, True), COMPLEXITIES)),
)
def test_every_combination(service: str, rive_sud: bool, urgent: bool, complexity: str) -> None:
    """RU-4: the seeded price list, to the dollar."""
    found = quote(
        PACK,
        service_type=service,
        location="rive_sud" if rive_sud else "montreal",
        urgent=urgent,
        complexity=complexity,
    )

    assert found is not None
    assert expected(service, rive_sud=rive_sud, urgent=urgent, complexity=complexity) == (
        found.min,
        found.max,
    )
    assert found.currency == "CAD"
    assert sum(item.amount for item in found.items) == found.min


def test_steps_tell_how_the_lower_end_came_about() -> None:
    found = quote(PACK, service_type="debouchage", location="rive_sud", urgent=True, complexity="complex")

    assert found is not None
    assert [("base", 350), ("location", 100), ("urgency", 75), ("complexity", 158)] == [
        (item.kind, item.amount) for item in found.items
    ]
    assert (683, 1025) == (found.min, found.max)


@pytest.mark.parametrize(
    "spelling", ["Drain français", "drain_francais", "DRAIN-FRANCAIS", " drain  français "]
)
def test_services_are_known_in_any_spelling(spelling: str) -> None:
    found = quote(PACK, service_type=spelling)

    assert found is not None
    assert (500, 800) == (found.min, found.max)


@pytest.mark.parametrize("place", ["rive_sud", "Rive-Sud", "Longueuil, rive sud de Montréal"])
def test_places_are_known_in_any_spelling(place: str) -> None:
    found = quote(PACK, service_type="debouchage", location=place)

    assert found is not None
    assert 450 == found.min


def test_nothing_costs_less_than_the_minimum() -> None:
    cheap = RuleBook(
        pricing=[PricingRule(service_type="", price_min=100, price_max=120, currency="CAD")],
        adjustments=PACK.adjustments,
    )

    found = quote(cheap, service_type="look")

    assert found is not None
    assert (350, 350) == (found.min, found.max)
    assert ("minimum", 250) in [(item.kind, item.amount) for item in found.items]


FEES = RuleBook(
    pricing=[
        PricingRule(
            service_type="look", price_min=100, price_max=900, price_base=200, currency="CAD", unit="hour"
        )
    ],
    adjustments=[
        Adjustment(kind=AdjustmentKind.LOCATION, name="laval", amount=40),
        Adjustment(kind=AdjustmentKind.URGENCY, amount=75),
        Adjustment(kind=AdjustmentKind.AFTER_HOURS, amount=125),
        Adjustment(kind=AdjustmentKind.COMPLEXITY, name="complex", factor=Decimal("1.5")),
        Adjustment(kind=AdjustmentKind.MINIMUM, amount=50),
    ],
    business_hours=PACK.business_hours,
)
DAY, NIGHT = datetime(2026, 11, 20, 15, tzinfo=UTC), datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("urgent", "after_hours", "at", "fees"),
    [
        (False, None, DAY, 0),
        (False, None, NIGHT, 0),
        (True, None, DAY, 75),
        (True, None, NIGHT, 75 + 125),
        (False, True, DAY, 125),
        (True, False, NIGHT, 75),
    ],
)
def test_work_outside_business_hours_costs_more(
    urgent: bool, after_hours: bool | None, at: datetime, fees: int
) -> None:
    """RU-2: an urgent job is done at once, and costs the fee while the business is closed."""
    found = quote_of(FEES, Job(service_type="look", urgent=urgent, after_hours=after_hours, at=at))

    assert found is not None
    assert (200 + fees, "hour") == (found.min, found.unit)


def test_a_quote_names_each_of_its_steps() -> None:
    """RU-2: base, fees, complexity, minimum; the complexity multiplies the fees too."""
    job = Job(
        service_type="look", location="Laval", urgent=True, after_hours=True, complexity="complex", at=DAY
    )
    found = quote_of(FEES, job)

    assert found is not None
    assert [("base", 200), ("location", 40), ("urgency", 75), ("after_hours", 125), ("complexity", 220)] == [
        (item.kind, item.amount) for item in found.items
    ]
    assert (660, 900) == (found.min, found.max)


def test_a_price_counts_between_its_dates() -> None:
    """RU-2: outside of them, the price of everything unknown counts."""
    summer = PricingRule(service_type="look", price_min=1, price_max=2, currency="CAD", effective_from=NIGHT)
    prices = RuleBook(
        pricing=[summer, PricingRule(service_type="", price_min=7, price_max=8, currency="CAD")]
    )

    found = [quote_of(prices, Job(service_type="look", at=at)) for at in (DAY, NIGHT)]

    assert [7, 1] == [one.min for one in found if one is not None]


def test_without_rules_there_is_no_price() -> None:
    assert quote(RuleBook(), service_type="debouchage") is None
