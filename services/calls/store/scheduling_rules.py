"""How soon jobs can be done."""

from typing import Any
from uuid import UUID

from services.calls.domain.call import Priority
from services.calls.domain.rules import SchedulingRule, WindowUnit
from services.calls.store.rule_table import RuleTable


def _rule(fields: dict[str, Any]) -> SchedulingRule:
    fields["priority"] = fields["priority"] and Priority(fields["priority"])
    fields["unit"] = WindowUnit(fields["unit"])
    fields["requirements"] = tuple(fields["requirements"])
    return SchedulingRule(**fields)


# In the order in which they are tried.
SCHEDULING_RULES: RuleTable[SchedulingRule, tuple[int, UUID]] = RuleTable(
    "scheduling_rules",
    fixed=("name", "service_type", "priority"),
    changing=(
        "position",
        "active",
        "window_label",
        "soonest",
        "latest",
        "unit",
        "can_schedule",
        "requirements",
        "message_fr",
        "message_en",
    ),
    order={"position": "integer", "id": "uuid"},
    unique="scheduling_rules_name_unique",
    read=_rule,
)
