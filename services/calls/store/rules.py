"""All rules of an organization at once."""

from typing import Final
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.business_hours import ALWAYS_OPEN
from services.calls.domain.rules import RuleBook
from services.calls.store import business_hours
from services.calls.store.pricing_adjustments import PRICING_ADJUSTMENTS
from services.calls.store.pricing_rules import PRICING_RULES
from services.calls.store.priority_rules import PRIORITY_RULES
from services.calls.store.scheduling_rules import SCHEDULING_RULES
from services.calls.store.service_rules import SERVICE_RULES

# Of each kind; nobody can create more.
RULES_MAX: Final = 1000


async def read_book(conn: Connection, *, org_id: UUID) -> RuleBook:
    """The active ones."""
    hours = await business_hours.find(conn, org_id=org_id)
    return RuleBook(
        priority=await PRIORITY_RULES.list_active(conn, org_id=org_id, limit=RULES_MAX),
        pricing=await PRICING_RULES.list_active(conn, org_id=org_id, limit=RULES_MAX),
        adjustments=await PRICING_ADJUSTMENTS.list_active(conn, org_id=org_id, limit=RULES_MAX),
        services=await SERVICE_RULES.list_active(conn, org_id=org_id, limit=RULES_MAX),
        scheduling=await SCHEDULING_RULES.list_active(conn, org_id=org_id, limit=RULES_MAX),
        business_hours=hours[0] if hours else ALWAYS_OPEN,
    )
