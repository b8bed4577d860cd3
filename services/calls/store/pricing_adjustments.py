"""What is added to prices."""

from typing import Any
from uuid import UUID

from services.calls.domain.rules import Adjustment, AdjustmentKind
from services.calls.store.rule_table import RuleTable


def _adjustment(fields: dict[str, Any]) -> Adjustment:
    fields["kind"] = AdjustmentKind(fields["kind"])
    return Adjustment(**fields)


# Oldest first.
PRICING_ADJUSTMENTS: RuleTable[Adjustment, UUID] = RuleTable(
    "pricing_adjustments",
    fixed=("kind", "name"),
    changing=("amount", "factor", "active"),
    order={"id": "uuid"},
    active_order="kind, name",
    unique="pricing_adjustments_name_unique",
    read=_adjustment,
)
