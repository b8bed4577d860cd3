"""Who changed which rule, and how."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class RuleKind(StrEnum):
    PRIORITY_RULE = "PRIORITY_RULE"
    PRICING_RULE = "PRICING_RULE"
    PRICING_ADJUSTMENT = "PRICING_ADJUSTMENT"
    SERVICE_RULE = "SERVICE_RULE"
    SCHEDULING_RULE = "SCHEDULING_RULE"
    BUSINESS_HOURS = "BUSINESS_HOURS"
    TRANSFER_DESTINATION = "TRANSFER_DESTINATION"


class ChangeAction(StrEnum):
    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRuleChange:
    """`before` and `after` are the rule, None where there was none; `changed_by` is the principal's
    subject."""

    kind: RuleKind
    rule_id: UUID
    rule_name: str
    changed_by: str
    before: Any | None
    after: Any | None

    @property
    def action(self) -> ChangeAction:
        if self.after is None:
            return ChangeAction.DELETED
        return ChangeAction.CREATED if self.before is None else ChangeAction.UPDATED


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One row of `calls.rule_changes`."""

    id: UUID
    kind: RuleKind
    action: ChangeAction
    rule_id: UUID
    rule_name: str
    changed_by: str
    changed_at: datetime
    before: dict[str, Any] | None
    after: dict[str, Any] | None
