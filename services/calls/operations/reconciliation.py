"""What the provider knows that we do not: placements without an answer, calls without news, lines without a
call.

Everything here only reads at the provider (and ends calls that somebody wants ended); nothing places a call.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from libs import telemetry
from libs.errors import ServiceError
from libs.pg import Pool, transaction
from services.calls.domain.placement import PlacementState, ProviderCall, find_placed, longest_end
from services.calls.operations import settling
from services.calls.operations.catching_up import CatchingUp, Feed
from services.calls.store import completions, lines, placements

_BATCH_MAX: Final = 50
_CONCURRENT_LOOKS_MAX: Final = 5
# Their clock against ours, and what may lie between our row and their call.
_CLOCK_SKEW: Final = timedelta(seconds=120)
# How many looks fit into the settling time; a placement is not given up after fewer than LOOKS_MIN.
_LOOKS_PER_SETTLING: Final = 6
_CANCEL_AGAIN_SECONDS: Final = 15.0
# Placements that are further apart are not looked for together: the list would hold all calls between them.
_PERIOD_SECONDS: Final = 600

_log = telemetry.logger(__name__)
_settled = telemetry.meter().create_counter(
    "callplane.reconciliations", description="Calls that the reconciler found out about, by what it found."
)


class CallFinder(Protocol):
    """Each raises ProviderUnavailable."""

    async def get_call(self, provider_call_id: str) -> ProviderCall | None: ...

    async def list_calls(
        self, *, created_from: datetime, created_to: datetime, provider_assistant_id: str = ""
    ) -> list[ProviderCall]:
        """All of the window or none."""

    async def end_call(self, provider_call_id: str) -> None: ...


class CallFinders(Protocol):
    """A finder for each account, by the account of the call. Raises ServiceErrors where an account cannot be
    used."""

    async def of(self, account_id: UUID | None, *, org_id: UUID) -> CallFinder: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`post_seconds`: after so long a POST cannot be under way any more. `settle_seconds`: how long an
    unknown placement is looked for. `stuck_seconds`: how long a call may be silent. `grace_seconds`: what may
    be added to the longest duration of a call, for ringing and for the provider's own delays.
    `report_seconds`: how long after its end the report on a call is waited for."""

    post_seconds: float
    settle_seconds: float
    stuck_seconds: float
    grace_seconds: float
    report_seconds: float = 60.0


class Reconciliation:
    """`pool` is the worker role's: it sees every organization."""

    def __init__(self, pool: Pool, providers: CallFinders, *, feed: Feed, patience: Patience) -> None:
        self._pool = pool
        self._providers = providers
        self._catching_up = CatchingUp(pool, feed=feed, report_seconds=patience.report_seconds)
        self._patience = patience

    async def settle_placements(self) -> int:
        """Looks up placements that nobody knows the outcome of. Returns how many it settled."""
        async with transaction(self._pool) as conn:
            unsettled = await placements.claim_unsettled(
                conn,
                pending_seconds=self._patience.post_seconds,
                look_seconds=self._patience.settle_seconds / _LOOKS_PER_SETTLING,
                limit=_BATCH_MAX,
            )
        groups: dict[tuple[UUID, UUID | None, str, int], list[PlacementState]] = defaultdict(list)
        for state in unsettled:
            groups[state.org_id, state.account_id, state.provider_assistant_id, _period(state)].append(state)
        return sum([await self._settle_group(group) for group in groups.values()])

    async def follow_up(self) -> int:
        """Asks after active calls that the provider has been silent about, and ends those that somebody wants
        ended. Returns how many it learned something about."""
        async with transaction(self._pool) as conn:
            silent = await placements.claim_silent(
                conn,
                stuck_seconds=self._patience.stuck_seconds,
                cancel_seconds=min(_CANCEL_AGAIN_SECONDS, self._patience.stuck_seconds),
                limit=_BATCH_MAX,
            )
        turns = asyncio.Semaphore(_CONCURRENT_LOOKS_MAX)

        async def in_turn(call: placements.ActiveCall) -> bool:
            async with turns:
                return await self._follow_up_one(call)

        return sum(await asyncio.gather(*(in_turn(call) for call in silent)))

    async def complete(self) -> int:
        """Asks for what is missing of calls that are over: the report, its cost, recording or conversation.
        Returns how many it asked about."""
        async with transaction(self._pool) as conn:
            incomplete = await completions.claim_incomplete(
                conn, report_seconds=self._patience.report_seconds, limit=_BATCH_MAX
            )
        turns = asyncio.Semaphore(_CONCURRENT_LOOKS_MAX)

        async def in_turn(call: completions.IncompleteCall) -> None:
            async with turns:
                await self._complete_one(call)

        await asyncio.gather(*(in_turn(call) for call in incomplete))
        return len(incomplete)

    async def count_lost(self) -> int:
        """Decides which webhooks are lost; returns about how many."""
        return await self._catching_up.count_lost()

    async def free_lines(self) -> int:
        async with transaction(self._pool) as conn:
            freed = await lines.release_orphaned(conn, limit=_BATCH_MAX)
            await lines.remove_retired(conn)
        for call_id in freed:
            _log.warning("line freed that its call had left behind", call_id=str(call_id))
        return len(freed)

    async def _settle_group(self, group: Sequence[PlacementState]) -> int:
        """Calls of one account, assistant and period share one list. A failed look proves nothing and does
        not count."""
        requested = [state.requested_at or datetime.now(UTC) for state in group]
        try:
            provider = await self._providers.of(group[0].account_id, org_id=group[0].org_id)
            candidates = await provider.list_calls(
                created_from=min(requested) - _CLOCK_SKEW,
                created_to=max(requested) + timedelta(seconds=self._patience.post_seconds) + _CLOCK_SKEW,
                provider_assistant_id=group[0].provider_assistant_id,
            )
        except ServiceError as exc:
            _log.warning("placements not looked up", count=len(group), reason=exc.reason)
            return 0
        settled = 0
        for state in group:
            found = find_placed(state.call_id, candidates)
            settled += await (self._attach(state, found) if found else self._count_miss(state))
        return settled

    async def _attach(self, state: PlacementState, found: ProviderCall) -> bool:
        with telemetry.span("reconcile placement", attributes={"callplane.call_id": str(state.call_id)}):
            async with transaction(self._pool) as conn:
                attached = await settling.record_placed(
                    conn, call_id=state.call_id, provider_call_id=found.id
                )
                # Another row has the provider's id: a webhook told of the call without ours. That one follows
                # the call; this one holds its line until the call is over.
                closed = (
                    not attached
                    and found.ended
                    and await settling.give_up(conn, call_id=state.call_id, found=True)
                )
            if closed:
                _settled.add(1, {"found": "ELSEWHERE"})
                _log.warning("placement given up, its call is another row", call_id=str(state.call_id))
            if attached:
                _settled.add(1, {"found": "PLACED"})
                _log.info("unknown placement found", call_id=str(state.call_id))
                await self._catching_up.take(state.org_id, found, known_status="QUEUED")
        return attached or closed

    async def _count_miss(self, state: PlacementState) -> bool:
        async with transaction(self._pool) as conn:
            now, present = await placements.count_look(conn, call_id=state.call_id)
            if present is None or not present.is_given_up(
                now=now, settle_seconds=self._patience.settle_seconds
            ):
                return False
            given_up = await settling.give_up(conn, call_id=state.call_id)
        if given_up:
            _settled.add(1, {"found": "NOTHING"})
            _log.warning("unknown placement given up", call_id=str(state.call_id), looks=present.lookups)
        return given_up

    async def _follow_up_one(self, call: placements.ActiveCall) -> bool:
        """Nothing that goes wrong with one call keeps the others from being asked after."""
        with telemetry.span("reconcile call", attributes={"callplane.call_id": str(call.call_id)}):
            try:
                provider = await self._providers.of(call.account_id, org_id=call.org_id)
                if call.cancel_requested:
                    await provider.end_call(call.provider_call_id)
                found = await provider.get_call(call.provider_call_id)
            except ServiceError as exc:
                _log.warning("call not asked after", call_id=str(call.call_id), reason=exc.reason)
                return await self._close_if_over(call)
            if found is None:
                return await self._close(call, "CANCELED" if call.cancel_requested else "TIMEOUT")
            if await self._catching_up.take(call.org_id, found, known_status=call.status):
                return True
            return await self._close_if_over(call)

    async def _complete_one(self, call: completions.IncompleteCall) -> None:
        with telemetry.span("complete call", attributes={"callplane.call_id": str(call.call_id)}):
            try:
                provider = await self._providers.of(call.account_id, org_id=call.org_id)
                found = await provider.get_call(call.provider_call_id)
            except ServiceError as exc:
                _log.warning("call not completed", call_id=str(call.call_id), reason=exc.reason)
                return
            if found is not None and found.ended:
                await self._catching_up.take(call.org_id, found, known_status="ENDED")

    async def _close_if_over(self, call: placements.ActiveCall) -> bool:
        """The provider bounds every call; past that it is over, whether or not anybody can be asked."""
        over_at = longest_end(
            created_at=call.created_at,
            started_at=call.started_at,
            max_duration_seconds=call.max_duration_seconds,
            grace_seconds=self._patience.grace_seconds,
        )
        return call.asked_at > over_at and await self._close(call, "TIMEOUT")

    async def _close(self, call: placements.ActiveCall, closed_as: placements.ClosedAs) -> bool:
        async with transaction(self._pool) as conn:
            closed = await settling.close(conn, call_id=call.call_id, closed_as=closed_as)
        if closed:
            _settled.add(1, {"found": closed_as})
            _log.warning("silent call closed", call_id=str(call.call_id), closed_as=closed_as)
        return closed


def _period(state: PlacementState) -> int:
    return int(state.requested_at.timestamp() // _PERIOD_SECONDS) if state.requested_at else 0
