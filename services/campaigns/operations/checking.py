"""Attempts that nothing was heard of for too long: sent again, or looked up at `calls`."""

import asyncio
import time
from collections.abc import Callable

from libs import telemetry
from libs.errors import ServiceError
from libs.pg import Connection, Pool, transaction
from services.campaigns.domain.attempts import TERMINAL, CallNews, Check, State
from services.campaigns.domain.dialing import Intent
from services.campaigns.operations import following
from services.campaigns.operations.dialing import Calls, Dialing
from services.campaigns.operations.following import Patience
from services.campaigns.store import attempts, dials

_log = telemetry.logger(__name__)

_CHECKS_MAX = 20


class Checking:
    """`pool` is the worker role's."""

    def __init__(
        self,
        pool: Pool,
        calls: Calls,
        dialing: Dialing,
        *,
        patience: Patience,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._dialing = dialing
        self._patience = patience
        self._monotonic = monotonic

    async def check_due(self) -> int:
        """Looks after a batch of attempts. One that cannot be settled now comes up again."""
        deadline = self._monotonic() + self._patience.fence_seconds
        async with transaction(self._pool) as conn:
            due = await attempts.claim_checks(
                conn, limit=_CHECKS_MAX, again_in_seconds=self._patience.intent_seconds
            )
        await asyncio.gather(*(self._check(one, deadline=deadline) for one in due))
        return len(due)

    async def _check(self, check: Check, *, deadline: float) -> None:
        try:
            if check.state is State.INTENT:
                await self._resolve_intent(check, deadline=deadline)
            else:
                await self._look_up(check)
        except ServiceError as exc:
            _log.warning("attempt not checked", attempt_id=str(check.attempt_id), reason=exc.reason)
        except Exception as exc:  # noqa: BLE001  it comes up again, whatever it was
            _log.error("check failed", attempt_id=str(check.attempt_id), exc_info=exc)

    async def _look_up(self, check: Check) -> None:
        news = await self._calls.find_call(check.attempt_id, org_id=check.org_id)
        if news is None:
            await self._follow_lost(check)
            return
        await self._apply(check, news)

    async def _follow_lost(self, check: Check) -> None:
        """It was asked for there once, and `calls` says for certain that it has no such call: its record lost
        it. The slot stays taken while the call may be going on; every call has a longest time at the
        provider. Nobody is called again for it."""
        async with transaction(self._pool) as conn:
            if check.state is State.ENDED:
                await following.settle_without_report(conn, check.attempt_id, patience=self._patience)
            elif check.age_seconds > await self._longest_seconds(conn, check):
                await following.give_up_lost(conn, check.attempt_id, patience=self._patience)
                _log.error("lost call given up", attempt_id=str(check.attempt_id))
            else:
                _log.warning("call not found", attempt_id=str(check.attempt_id))

    async def _longest_seconds(self, conn: Connection, check: Check) -> float:
        """Since the decision on an attempt, until its call is certainly over."""
        dial = await dials.get(conn, check.attempt_id)
        return self._patience.lost_seconds + dial.max_duration_seconds

    async def _resolve_intent(self, check: Check, *, deadline: float) -> None:
        """Nobody is sending it any more: both the time to begin and the time to be answered are over."""
        async with transaction(self._pool) as conn:
            dial = await dials.get(conn, check.attempt_id)
            wanted = await dials.is_wanted(conn, check.attempt_id)
        if wanted:
            # `calls` dials an id once, however often it is sent.
            await self._dialing.place(Intent(dial, deadline, sent_before=True))
            return
        news = await self._calls.find_call(check.attempt_id, org_id=check.org_id)
        if news is None or (not news.placed and news.status in TERMINAL):
            async with transaction(self._pool) as conn:
                await following.give_back(
                    conn, check.attempt_id, reason="NOT_WANTED", patience=self._patience
                )
        else:
            await self._apply(check, news)

    async def _apply(self, check: Check, news: CallNews) -> None:
        async with transaction(self._pool) as conn:
            await following.apply_news(
                conn,
                check.attempt_id,
                news,
                org_id=check.org_id,
                patience=self._patience,
                wait_for_report=check.state is not State.ENDED,
            )
