"""The provider's list of calls against ours: what it has and we never heard of is taken into the record.

Calls made by somebody else at the provider and calls of which every webhook was lost look the same from here.
The list of an account is gone through by the time of creation, slice by slice, over the last day and from
then on; each slice begins a little before the end of the last one, because a list may show a call late.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from libs import telemetry
from libs.errors import ServiceError
from libs.pg import Connection, Pool, transaction
from services.calls.domain.placement import ProviderCall
from services.calls.errors import ProviderUnavailable
from services.calls.operations.catching_up import CatchingUp
from services.calls.operations.reconciliation import CallFinder, CallFinders
from services.calls.store import completions
from services.calls.store.completions import SweepTarget

_TARGETS_MAX: Final = 500
_LOOK_BACK: Final = timedelta(hours=24)
_SLICE: Final = timedelta(hours=2)
_SLICE_MIN: Final = timedelta(minutes=1)
_OVERLAP: Final = timedelta(minutes=10)

_log = telemetry.logger(__name__)
_swept = telemetry.meter().create_counter(
    "callplane.sweeps",
    description="Calls of the provider's list that we never heard of, by whether taken in.",
)


class Sweeping:
    """`pool` is the worker role's."""

    def __init__(self, pool: Pool, providers: CallFinders, *, catching_up: CatchingUp) -> None:
        self._pool = pool
        self._providers = providers
        self._catching_up = catching_up

    async def step(self) -> int:
        """Compares one slice of each account's list. Returns how many accounts have more to compare."""
        async with transaction(self._pool) as conn:
            targets = await completions.list_targets(conn, limit=_TARGETS_MAX)
        return sum([await self._guarded(target) for target in targets])

    async def _guarded(self, target: SweepTarget) -> bool:
        """An account that cannot be asked keeps nobody else's from being."""
        try:
            return await self._sweep(target)
        except ServiceError as exc:
            _log.warning("provider's list not compared", account_id=str(target.account_id), reason=exc.reason)
            return False

    async def _sweep(self, target: SweepTarget) -> bool:
        async with transaction(self._pool) as conn:
            written, now = await completions.find_swept_until(conn, name=target.name)
        # The youngest calls are left out: their webhooks are on their way.
        latest = datetime.fromisoformat(now) - timedelta(seconds=self._catching_up.report_seconds)
        oldest = latest - _LOOK_BACK
        since = max(datetime.fromisoformat(written), oldest) if written else oldest
        provider = await self._providers.of(target.account_id, org_id=target.org_id)
        until, listed = await _listed(provider, since=since, latest=latest)
        await self._take_unheard(target, listed)
        async with transaction(self._pool) as conn:
            await completions.save_swept_until(conn, name=target.name, until=until.isoformat())
        return until < latest

    async def _take_unheard(self, target: SweepTarget, listed: Sequence[ProviderCall]) -> None:
        async with transaction(self._pool) as conn:
            heard, placed = await completions.find_owners(
                conn,
                provider_call_ids=[call.id for call in listed],
                own_ids=[own for call in listed if (own := call.own_id) is not None],
            )
            unheard = [call for call in listed if call.id not in heard]
            owner_of = (
                await self._owners(conn, target, listed, unheard=unheard, heard=heard, placed=placed)
                if unheard
                else {}
            )
        for call in unheard:
            org_id = owner_of.get(call.id)
            if org_id is None:
                _log.warning("call at the provider belongs to nobody known", provider_call_id=call.id)
            taken = org_id is not None and await self._catching_up.take(org_id, call, known_status="")
            _swept.add(1, {"taken": str(taken).lower()})

    async def _owners(
        self,
        conn: Connection,
        target: SweepTarget,
        listed: Sequence[ProviderCall],
        *,
        unheard: Sequence[ProviderCall],
        heard: Mapping[str, UUID],
        placed: Mapping[UUID, UUID],
    ) -> dict[str, UUID]:
        """Of an account that one organization alone has, all calls are its own. Else a call belongs to who
        placed it, to who has its number, to who has the other calls of the number, or to the only one
        there is."""
        if not target.shared:
            return {call.id: target.org_id for call in unheard}
        numbers = await completions.find_number_owners(conn, [call.phone_number_id for call in unheard])
        neighbors = _neighbors(listed, heard)
        only = await completions.find_only_organization(conn)
        found = {
            call.id: (placed.get(call.own_id) if call.own_id else None)
            or numbers.get(call.phone_number_id)
            or neighbors.get(call.phone_number_id)
            or only
            for call in unheard
        }
        return {call_id: org_id for call_id, org_id in found.items() if org_id is not None}


async def _listed(
    provider: CallFinder, *, since: datetime, latest: datetime
) -> tuple[datetime, Sequence[ProviderCall]]:
    """A slice that is short enough for the provider to show all of it, and its end."""
    length = _SLICE
    while True:
        until = min(since + length, latest)
        try:
            return until, await provider.list_calls(created_from=since - _OVERLAP, created_to=until)
        except ProviderUnavailable as exc:
            length /= 2
            if exc.metadata.get("cause") != "LIST_TOO_LONG" or length < _SLICE_MIN:
                raise


def _neighbors(listed: Sequence[ProviderCall], heard: Mapping[str, UUID]) -> dict[str, UUID]:
    """Whose the calls of a number in this list are, where they are all of one organization."""
    owners: dict[str, set[UUID]] = {}
    for call in listed:
        if call.id in heard and call.phone_number_id:
            owners.setdefault(call.phone_number_id, set()).add(heard[call.id])
    return {number: next(iter(orgs)) for number, orgs in owners.items() if len(orgs) == 1}
