"""Turns to place calls, and what trouble teaches about how fast they may come."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from libs import telemetry
from libs.pg import Connection, Pool, transaction
from services.calls.domain import pacing
from services.calls.domain.accounts import ProviderAccount
from services.calls.domain.placement import Outcome, Refused
from services.calls.store import paces

_OBSERVED_SECONDS: Final = 2.0
_FAILURES_MAX: Final = 1000

_log = telemetry.logger(__name__)
_slowed = telemetry.meter().create_counter(
    "callplane.placements.slowed", description="Times an account was slowed down, by cause."
)


async def take_turn(conn: Connection, account_id: UUID) -> float:
    """Seconds until it is this call's turn. Taken with the rest of the transaction, unless they are more than
    `WAIT_SECONDS_MAX`."""
    found = await paces.find(conn, account_id)
    if found is None or found.pace.is_free(found.now):
        return 0.0
    locked = await paces.lock(conn, account_id)
    if locked is None:
        return 0.0
    turn = pacing.take_turn(locked.pace, now=locked.now)
    if turn.is_taken:
        await paces.save(conn, account_id, turn.pace)
    return turn.wait_seconds


async def learn(pool: Pool, outcome: Outcome, account_id: UUID, *, org_id: UUID) -> None:
    """From the answer to a call that was placed, or not."""
    if not isinstance(outcome, Refused) or not pacing.is_too_fast(outcome.reason):
        return
    async with transaction(pool, org_id=org_id) as conn:
        await _slow(
            conn,
            account_id,
            org_id=org_id,
            cause=outcome.reason,
            retry_after_seconds=outcome.retry_after_seconds,
        )


async def limit_rate(
    conn: Connection, account_id: UUID, calls_per_second_max: float | None, *, org_id: UUID
) -> None:
    """None leaves what is there, 0 takes the limit away. Whatever is set, what was learned is forgotten."""
    if calls_per_second_max is None:
        return
    await paces.ensure(conn, account_id, org_id=org_id)
    locked = await paces.lock(conn, account_id)
    if locked is not None:
        await paces.save(conn, account_id, pacing.limited(locked.pace, calls_per_second_max or None))


async def with_rate(conn: Connection, account: ProviderAccount) -> ProviderAccount:
    found = await paces.find(conn, account.id)
    if found is None:
        return account
    return replace(
        account, calls_per_second_max=found.pace.rate_max, calls_per_second=found.pace.rate(found.now)
    )


class CarrierWatch:
    """Slows accounts whose carrier fails calls because they come too fast. `pool` is the worker role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look(self) -> int:
        async with transaction(self._pool) as conn:
            found = await paces.list_failures(conn, seconds=pacing.CARRIER_SECONDS, limit=_FAILURES_MAX)
            troubled = [one for one in found if _is_troubled(one)]
            for one in troubled:
                await _slow(conn, one.account_id, org_id=one.org_id, cause="CARRIER_ERRORS")
        # What was looked at is looked at again; nothing is left to be handled at once.
        return 0


def _is_troubled(failures: paces.Failures) -> bool:
    errors = sum(map(pacing.is_carrier_error, failures.ended_reasons))
    return pacing.is_carrier_trouble(errors=errors, placed=failures.placed)


async def _slow(
    conn: Connection, account_id: UUID, *, org_id: UUID, cause: str, retry_after_seconds: float = 0.0
) -> None:
    await paces.ensure(conn, account_id, org_id=org_id)
    locked = await paces.lock(conn, account_id)
    if locked is None:
        return
    lately = await paces.count_lately(conn, account_id, seconds=_OBSERVED_SECONDS)
    after = pacing.slowed(
        locked.pace,
        observed_rate=lately / _OBSERVED_SECONDS,
        now=locked.now,
        retry_after_seconds=retry_after_seconds,
    )
    await paces.save(conn, account_id, after)
    if after.slowed_at != locked.pace.slowed_at:
        _slowed.add(1, {"cause": cause})
        _log.warning("account slowed", account_id=str(account_id), cause=cause, rate=after.slowed_rate)
