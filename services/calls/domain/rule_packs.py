"""Rules to begin with, as data. Installing a pack adds what an organization does not have under the same
name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from services.calls.domain.call import Priority
from services.calls.domain.rules import Adjustment, AdjustmentKind, PricingRule, PriorityRule, RuleBook

_DRAIN_CLEANING_QUEBEC: Final = RuleBook(
    priority=(
        PriorityRule(
            name="urgence_immediate",
            position=10,
            keywords=(
                "inondation",
                "refoulement",
                "urgence",
                "débordement",
                "eau dans le sous-sol",
                "emergency",
            ),
            priority=Priority.P1,
            reason="urgence_immediate",
            sla_seconds=0,
        ),
        PriorityRule(
            name="municipal",
            position=20,
            keywords=("municipalit", "ville de", "municipal", "city of"),
            priority=Priority.P2,
            reason="municipal",
            sla_seconds=120,
        ),
        PriorityRule(
            name="high_value",
            position=30,
            keywords=("gainage", "relining", "drain français"),
            value_min=3000,
            priority=Priority.P3,
            reason="high_value",
            sla_seconds=3600,
        ),
        PriorityRule(name="standard", position=40, priority=Priority.P4, reason="standard", sla_seconds=1800),
    ),
    pricing=tuple(
        PricingRule(service_type=service_type, price_min=price_min, price_max=price_max, currency="CAD")
        for service_type, price_min, price_max in (
            ("debouchage", 350, 650),
            ("camera_inspection", 350, 350),
            ("racines_alesage", 450, 750),
            ("gainage", 350, 750),
            ("drain_francais", 500, 800),
            ("installation_cheminee", 2500, 2500),
            ("sous_dalle", 350, 1000),
            ("", 350, 500),
        )
    ),
    adjustments=(
        Adjustment(kind=AdjustmentKind.LOCATION, name="rive_sud", amount=100),
        Adjustment(kind=AdjustmentKind.URGENCY, amount=75),
        Adjustment(kind=AdjustmentKind.COMPLEXITY, name="complex", factor=Decimal("1.3")),
        Adjustment(kind=AdjustmentKind.COMPLEXITY, name="very_complex", factor=Decimal("1.6")),
        Adjustment(kind=AdjustmentKind.MINIMUM, amount=350),
        Adjustment(kind=AdjustmentKind.SPREAD, factor=Decimal("1.5")),
    ),
    refused_services=frozenset({"fosses_septiques", "piscines", "gouttieres", "puisard", "vacuum"}),
)

RULE_PACKS: Final[Mapping[str, RuleBook]] = {"drain_cleaning_quebec": _DRAIN_CLEANING_QUEBEC}
