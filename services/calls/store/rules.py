"""All rules of an organization at once."""

from typing import Final
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.business_hours import ALWAYS_OPEN
from services.calls.domain.rules import RuleBook
from services.calls.store import (
    business_hours,
    pricing_adjustments,
    pricing_rules,
    priority_rules,
    scheduling_rules,
    service_rules,
)

# Of each kind; nobody can create more.
RULES_MAX: Final = 1000


async def read_book(conn: Connection, *, org_id: UUID) -> RuleBook:
    """The active ones."""
    hours = await business_hours.find(conn, org_id=org_id)
    return RuleBook(
        priority=await priority_rules.list_active(conn, org_id=org_id, limit=RULES_MAX),
        pricing=await pricing_rules.list_active(conn, org_id=org_id, limit=RULES_MAX),
        adjustments=await pricing_adjustments.list_active(conn, org_id=org_id, limit=RULES_MAX),
        services=await service_rules.list_active(conn, org_id=org_id, limit=RULES_MAX),
        scheduling=await scheduling_rules.list_active(conn, org_id=org_id, limit=RULES_MAX),
        business_hours=hours[0] if hours else ALWAYS_OPEN,
    )
