"""The seeded price list, to the dollar, for every combination."""

from itertools import product

import pytest

from services.calls.domain.pricing import COMPLEXITIES, quote
from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import PricingRule, RuleBook

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


def test_without_rules_there_is_no_price() -> None:
    assert quote(RuleBook(), service_type="debouchage") is None
