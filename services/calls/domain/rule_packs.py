"""Rules to begin with, as data. Installing a pack adds what an organization does not have under the same
name."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from services.calls.domain.business_hours import BusinessHours, Language, Opening
from services.calls.domain.call import Priority
from services.calls.domain.rules import (
    Adjustment,
    AdjustmentKind,
    PricingRule,
    PriorityRule,
    RuleBook,
    SchedulingRule,
    ServiceRule,
    Verdict,
    WindowUnit,
)

_PRICES: Final = (
    ("debouchage", 350, 650),
    ("camera_inspection", 350, 350),
    ("racines_alesage", 450, 750),
    ("gainage", 350, 750),
    ("drain_francais", 500, 800),
    ("installation_cheminee", 2500, 2500),
    ("sous_dalle", 350, 1000),
    ("", 350, 500),
)
_REFUSED: Final = (
    ("fosses_septiques", "la vidange de fosses septiques", "septic tanks"),
    ("piscines", "les drains de piscines", "swimming pools"),
    ("gouttieres", "le nettoyage de gouttières", "gutters"),
    ("puisard", "les puisards", "sumps"),
    ("vacuum", "le service de camion vacuum", "vacuum trucks"),
)


def _windows() -> tuple[SchedulingRule, ...]:
    """The urgent first, whatever the work is; then by the work."""
    days, weeks, hours = WindowUnit.WORKING_DAYS, WindowUnit.WEEKS, WindowUnit.HOURS
    rows: tuple[tuple[str, Priority | None, str, int, int, WindowUnit, str, str], ...] = (
        ("urgence", Priority.P1, "", 0, 24, hours, "same day or 24 h", "le jour même ou dans les 24 heures"),
        ("municipal", Priority.P2, "", 1, 2, days, "1-2 working days", "d'ici 1 à 2 jours ouvrables"),
        ("drain_francais", None, "drain_francais", 1, 3, weeks, "1-3 weeks", "d'ici 1 à 3 semaines"),
        ("gainage", None, "gainage", 2, 4, weeks, "2-4 weeks", "d'ici 2 à 4 semaines"),
        ("inspection", None, "inspection", 1, 2, weeks, "1-2 weeks", "d'ici 1 à 2 semaines"),
        ("standard", None, "", 3, 5, days, "3-5 working days", "d'ici 3 à 5 jours ouvrables"),
    )
    return tuple(
        SchedulingRule(
            name=name,
            position=10 * number,
            priority=priority,
            service_type=service_type,
            soonest=soonest,
            latest=latest,
            unit=unit,
            window_label=english,
            message_fr=f"Nous pouvons venir {french}.",
            message_en=f"We can come within this time: {english}.",
        )
        for number, (name, priority, service_type, soonest, latest, unit, english, french) in enumerate(
            rows, 1
        )
    )


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
        for service_type, price_min, price_max in _PRICES
    ),
    adjustments=(
        Adjustment(kind=AdjustmentKind.LOCATION, name="rive_sud", amount=100),
        Adjustment(kind=AdjustmentKind.URGENCY, amount=75),
        Adjustment(kind=AdjustmentKind.COMPLEXITY, name="complex", factor=Decimal("1.3")),
        Adjustment(kind=AdjustmentKind.COMPLEXITY, name="very_complex", factor=Decimal("1.6")),
        Adjustment(kind=AdjustmentKind.MINIMUM, amount=350),
        Adjustment(kind=AdjustmentKind.SPREAD, factor=Decimal("1.5")),
    ),
    services=(
        *(
            ServiceRule(service_type=service_type, verdict=Verdict.ACCEPTED)
            for service_type, _, _ in _PRICES
            if service_type
        ),
        *(
            ServiceRule(
                service_type=service_type,
                verdict=Verdict.REFUSED,
                message_fr=f"Désolé, nous n'offrons pas {french}.",
                message_en=f"Sorry, we do not take care of {english}.",
            )
            for service_type, french, english in _REFUSED
        ),
    ),
    scheduling=_windows(),
    business_hours=BusinessHours(
        time_zone="America/Toronto",
        language=Language.FR,
        weekly=tuple(Opening(day=day, opens=8 * 60, closes=17 * 60) for day in range(1, 6)),
    ),
)

RULE_PACKS: Final[Mapping[str, RuleBook]] = {"drain_cleaning_quebec": _DRAIN_CLEANING_QUEBEC}
