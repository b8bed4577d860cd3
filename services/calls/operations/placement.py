"""Placing an outbound call, and calling one off.

    transaction: line, call row (PENDING) -- commit -- POST -- transaction: what became of it

A call id is sent to the provider at most once, whoever repeats the request and whoever dies in between: only
the request that inserted the row asks the provider, and only until its own deadline. Nobody else ever does; a
call whose row says PENDING for too long is looked up (see `reconciliation`). One doubt remains and cannot be
closed without a key of the provider's: a process that stands still between the last look at its deadline and
the write may send late.

A refusal before the row exists (no line free, provider out of order, too many calls per second) stores
nothing: the same id may come again.
"""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol
from uuid import UUID

from libs import failpoints, telemetry
from libs.errors import ServiceError
from libs.pg import Connection, Pool, transaction
from services.calls.domain.accounts import AccountLink
from services.calls.domain.pacing import WAIT_SECONDS_MAX
from services.calls.domain.placement import (
    Outcome,
    Placement,
    PlacementOrder,
    PlacementResult,
    PlacementState,
    Refused,
    placement_of,
)
from services.calls.errors import (
    CallAlreadyEnded,
    CallIdReused,
    CallNotFound,
    NoLineFree,
    ProviderAccountNotFound,
)
from services.calls.operations import pacing
from services.calls.operations.accounts import PROVIDER, Accounts
from services.calls.operations.settling import settle
from services.calls.operations.voice_provider import CallPlacer
from services.calls.store import accounts, calls, lines, placements

# From taking the line to the first byte of the POST.
SEND_SECONDS_MAX: Final = 5.0
# What a busy line tells the caller to wait; the event of a call that ends comes first as a rule.
_NO_LINE_RETRY_SECONDS: Final = 2

failpoints.register("place.before_post", "place.mid_post", "place.after_post", "place.after_commit")

_log = telemetry.logger(__name__)
_placements = telemetry.meter().create_counter(
    "callplane.placements", description="Outbound calls asked for, by result and reason."
)


def boot_seconds() -> float:
    """A clock that also runs while the machine is suspended, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class CallPlacers(Protocol):
    """A placer for each account. Raises what stands in the way of using the account."""

    async def of(self, account_id: UUID | None, *, org_id: UUID) -> CallPlacer: ...

    def linked(self, link: AccountLink) -> CallPlacer: ...


class _NotNow(Exception):
    """Nobody asks the provider at this moment, for this reason; so many seconds later is better."""

    def __init__(self, reason: str, *, seconds: float) -> None:
        self.reason = reason
        self.seconds = seconds
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A call that is ours to place: whom to ask, and when its turn is."""

    provider: CallPlacer
    account_id: UUID
    wait_seconds: float


class Placements:
    def __init__(
        self,
        pool: Pool,
        providers: CallPlacers,
        accounts: Accounts,
        *,
        send_seconds_max: float = SEND_SECONDS_MAX,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._accounts = accounts
        self._send_seconds_max = send_seconds_max
        self._clock = clock
        self._running: set[asyncio.Task[Placement]] = set()

    async def place(self, order: PlacementOrder, *, org_id: UUID) -> Placement:
        """Idempotent by the call id. Raises CallIdReused and ProviderAccountNotFound."""
        send_before = self._clock() + self._send_seconds_max
        try:
            claimed = await self._claim(order, org_id=org_id)
        except NoLineFree:
            placement = _not_now("NO_LINE_FREE", retry_after_seconds=_NO_LINE_RETRY_SECONDS)
        except _NotNow as exc:
            placement = _not_now(exc.reason, retry_after_seconds=exc.seconds)
        else:
            if isinstance(claimed, PlacementState):
                return claimed.answer()
            work = self._ask(order, claimed, org_id=org_id, send_before=send_before)
            placement = await self._to_its_end(work)
        _placements.add(1, {"result": placement.result.value, "reason": placement.reason})
        return placement

    async def cancel(self, call_id: UUID, *, org_id: UUID) -> None:
        """Asks the provider to end the call; what it says ends it in the record. If it cannot be asked now,
        or does not know the call yet, the reconciler asks later. Raises CallNotFound and CallAlreadyEnded."""
        async with transaction(self._pool, org_id=org_id) as conn:
            call = await calls.find(conn, call_id=call_id)
            if call is None:
                raise CallNotFound
            if call.status.terminal:
                raise CallAlreadyEnded
            await placements.request_cancel(conn, call_id=call_id)
        if call.provider_call_id is None:
            return
        try:
            provider = await self._providers.of(call.provider_account_id, org_id=org_id)
            await provider.end_call(call.provider_call_id)
        except ServiceError as exc:
            _log.warning("call not ended yet", call_id=str(call_id), reason=exc.reason)

    async def drain(self, *, seconds_max: float = 3.0) -> None:
        """Waits for placements whose caller has gone away. What is not over then is left to the
        reconciler."""
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds_max)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _claim(self, order: PlacementOrder, *, org_id: UUID) -> PlacementState | _Claimed:
        """If the call is ours to place, its row and its line are committed. Else the call that has the id."""
        try:
            return await self._claim_at_account(order, org_id=org_id)
        except ProviderAccountNotFound:
            if order.provider_account_id is not None:
                raise
            await self._accounts.ensure(org_id=org_id)
            return await self._claim_at_account(order, org_id=org_id)

    async def _claim_at_account(self, order: PlacementOrder, *, org_id: UUID) -> PlacementState | _Claimed:
        async with transaction(self._pool, org_id=org_id) as conn:
            present = await placements.find_state(conn, call_id=order.call_id)
            if present is None:
                link = await _choose_account(conn, order, org_id=org_id)
                provider = self._providers.linked(link)
                if provider.placing_pause_seconds > 0:
                    raise _NotNow("CIRCUIT_OPEN", seconds=provider.placing_pause_seconds)
                wait_seconds = await pacing.take_turn(conn, link.account_id)
                if wait_seconds > WAIT_SECONDS_MAX:
                    raise _NotNow("RATE_PACED", seconds=wait_seconds)
                if await _take(conn, order, org_id=org_id, account_id=link.account_id):
                    return _Claimed(provider, link.account_id, wait_seconds)
                # Somebody took the id since the first look; that one has committed now.
                present = await placements.find_state(conn, call_id=order.call_id)
        if present is None or not present.is_for(order):
            raise CallIdReused
        return present

    async def _ask(
        self, order: PlacementOrder, claimed: _Claimed, *, org_id: UUID, send_before: float
    ) -> Placement:
        with telemetry.bind(call_id=str(order.call_id)):
            await failpoints.hit("place.before_post")
            if claimed.wait_seconds > 0:
                await asyncio.sleep(claimed.wait_seconds)
            outcome = await claimed.provider.create_call(
                order,
                may_send=lambda: self._clock() < send_before,
                on_sent=partial(failpoints.hit, "place.mid_post"),
            )
            await failpoints.hit("place.after_post")
            async with transaction(self._pool, org_id=org_id) as conn:
                state = await settle(conn, call_id=order.call_id, outcome=outcome)
            await failpoints.hit("place.after_commit")
            await self._learn(outcome, claimed.account_id, org_id=org_id)
            if isinstance(outcome, Refused):
                _log.warning("call refused", reason=outcome.reason, infrastructure=outcome.infrastructure)
            return state.answer() if state else placement_of(outcome)

    async def _learn(self, outcome: Outcome, account_id: UUID, *, org_id: UUID) -> None:
        """Apart from the record of the call, which does not depend on it."""
        try:
            await pacing.learn(self._pool, outcome, account_id, org_id=org_id)
        except ServiceError as exc:
            _log.warning("nothing learned from a refusal", reason=exc.reason)

    async def _to_its_end(self, work: Coroutine[Any, Any, Placement]) -> Placement:
        """A caller that stops waiting does not stop the POST from being recorded."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Placement]) -> None:
        self._running.discard(task)
        if not task.cancelled() and task.exception() is not None:
            # The call stays PENDING; the reconciler finds out.
            _log.error("placement interrupted", exc_info=task.exception())


def _not_now(reason: str, *, retry_after_seconds: float) -> Placement:
    """A refusal that leaves nothing behind."""
    return Placement(
        result=PlacementResult.REFUSED,
        reason=reason,
        infrastructure=True,
        retry_after_seconds=math.ceil(retry_after_seconds),
    )


async def _choose_account(conn: Connection, order: PlacementOrder, *, org_id: UUID) -> AccountLink:
    """The account that is named, else the one that has the phone number, else the oldest; active ones
    only."""
    link = await accounts.choose_link(
        conn,
        org_id=org_id,
        account_id=order.provider_account_id,
        phone_number_id=order.phone_number_id,
        provider=PROVIDER,
    )
    if link is None:
        raise ProviderAccountNotFound
    return link


async def _take(conn: Connection, order: PlacementOrder, *, org_id: UUID, account_id: UUID) -> bool:
    """Line and row. False if the id is taken; raises NoLineFree, which rolls the row back."""
    if not await placements.insert_call(conn, order, org_id=org_id, account_id=account_id):
        return False
    if await lines.take_outbound(conn, account_id=account_id, call_id=order.call_id) is None:
        raise NoLineFree
    return True
