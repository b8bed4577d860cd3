"""What the provider shows about a call, taken into the ledger as if it had come by webhook; and the count of
webhooks that never came."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from libs import telemetry
from libs.pg import Pool, transaction
from services.calls.domain import synthesis
from services.calls.domain.placement import PROVIDER, ProviderCall
from services.calls.store import lost_webhooks

# The one webhook that nothing else makes up for: cost, conversation and recording stand in it alone. What the
# others tell, it tells again.
REPORT: Final = "end-of-call-report"
_BATCH_MAX: Final = 200

# Puts a message of the provider into the ledger as if it had come by webhook: (organization, body). False if
# it was there.
Feed = Callable[[UUID, bytes], Awaitable[bool]]

_log = telemetry.logger(__name__)
_caught_up = telemetry.meter().create_counter(
    "callplane.reconciliations", description="Calls that the reconciler found out about, by what it found."
)
_lost = telemetry.meter().create_counter(
    "callplane.webhooks.lost",
    description="Webhooks that matter and never came, by type; what they tell was asked for instead.",
)


class CatchingUp:
    """`pool` is the worker role's. `report_seconds`: how long after its end the report on a call is waited
    for."""

    def __init__(self, pool: Pool, *, feed: Feed, report_seconds: float) -> None:
        self._pool = pool
        self._feed = feed
        self.report_seconds = report_seconds

    async def take(self, org_id: UUID, found: ProviderCall, *, known_status: str) -> bool:
        """False if the provider shows no news; also if it was told before and the record could not make use
        of it."""
        message = synthesis.message(found, known_status=known_status, overdue=self._overdue(found))
        if message is None:
            return False
        if message["type"] == REPORT:
            # Before it is fed, so that a crash in between cannot make it look as if it had come.
            async with transaction(self._pool) as conn:
                await lost_webhooks.suspect(
                    conn, org_id=org_id, provider=PROVIDER, provider_call_id=found.id, message_type=REPORT
                )
        news = await self._feed(org_id, synthesis.body(message))
        if news:
            _caught_up.add(1, {"found": "ENDED" if found.ended else "NEWS"})
        return news

    async def count_lost(self) -> int:
        """Decides which of the webhooks that did not come in time are lost. Returns how many it decided
        about."""
        async with transaction(self._pool) as conn:
            settled, lost = await lost_webhooks.settle(
                conn, late_seconds=self.report_seconds, limit=_BATCH_MAX
            )
        for message_type in lost:
            _lost.add(1, {"type": message_type})
        if lost:
            _log.warning("webhooks lost", count=len(lost))
        return settled

    def _overdue(self, found: ProviderCall) -> bool:
        ended_at = synthesis.ended_at(found)
        return ended_at is None or datetime.now(UTC) - ended_at > timedelta(seconds=self.report_seconds)
