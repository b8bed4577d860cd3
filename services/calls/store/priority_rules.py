"""Rules by which calls are judged."""

from typing import Any
from uuid import UUID

from services.calls.domain.call import Priority
from services.calls.domain.rules import PriorityRule, TextField
from services.calls.store.rule_table import RuleTable


def _rule(fields: dict[str, Any]) -> PriorityRule:
    fields["keywords"], fields["escalation"] = tuple(fields["keywords"]), tuple(fields["escalation"])
    fields["fields"] = tuple(map(TextField, fields["fields"]))
    fields["priority"] = Priority(fields["priority"])
    return PriorityRule(**fields)


# In the order in which they are tried.
PRIORITY_RULES: RuleTable[PriorityRule, tuple[int, UUID]] = RuleTable(
    "priority_rules",
    fixed=("name",),
    changing=(
        "position",
        "active",
        "keywords",
        "pattern",
        "fields",
        "customer_type",
        "value_min",
        "priority",
        "reason",
        "sla_seconds",
        "escalation",
        "business_hours_only",
        "effective_from",
        "effective_until",
    ),
    order={"position": "integer", "id": "uuid"},
    unique="priority_rules_name_unique",
    read=_rule,
)
