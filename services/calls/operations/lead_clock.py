"""The clock of leads: notices those that nobody took up in time, and says so once."""

from typing import Final

from libs import failpoints, outbox, telemetry
from libs.pg import Pool, transaction
from services.calls import events
from services.calls.store import leads

_BATCH_MAX: Final = 200

failpoints.register("leads.before_breach_commit", "leads.after_breach_commit")

_breached = telemetry.meter().create_counter(
    "callplane.leads.breached", description="Leads that were still new past their due time, by priority."
)


class LeadClock:
    """`pool` is the worker role's: it sees every organization."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def tick(self) -> int:
        """Marks the next overdue leads, with what is said about them, and returns how many they were."""
        async with transaction(self._pool) as conn:
            breached = await leads.mark_breached(conn, limit=_BATCH_MAX)
            if not breached:
                return 0
            await outbox.append(conn, events.SCHEMA, [events.lead_sla_breached(lead) for lead in breached])
            await failpoints.hit("leads.before_breach_commit")
        await failpoints.hit("leads.after_breach_commit")
        for lead in breached:
            _breached.add(1, {"priority": lead.priority.value})
        return len(breached)
