"""The loops that put right what was left behind: lost intents, unknown placements, silent calls; slots;
assistants."""

from collections.abc import Awaitable, Callable

from libs.loops import Loop
from libs.pg import Lease, Pool
from services.campaigns.operations.assistant_keeping import AssistantKeeping
from services.campaigns.operations.checking import Checking
from services.campaigns.operations.following import SCHEMA
from services.campaigns.operations.slot_keeping import SlotKeeping

_CLEAN_UP_SECONDS = 3600.0
_LEASE_SECONDS = 10.0


def reconciler(checking: Checking, *, interval_seconds: float, wake_after: Callable[[], None]) -> Loop:
    """`wake_after` is called after a round that may have freed slots."""

    async def step() -> int:
        checked = await checking.check_due()
        if checked:
            wake_after()
        return checked

    return Loop("reconciler", step, interval_seconds=interval_seconds)


def slot_keeper(
    keeping: SlotKeeping, pool: Pool, *, interval_seconds: float, wake_after: Callable[[], None]
) -> Loop:
    """`wake_after` is called after a round that put slots right. `pool` is the worker role's."""

    async def step() -> int:
        healed = await keeping.heal()
        if healed:
            wake_after()
        return healed

    lease = Lease(pool, schema=SCHEMA, name="slot keeper", ttl_seconds=_LEASE_SECONDS)
    return Loop("slot keeper", step, interval_seconds=interval_seconds, lease=lease)


def assistant_checker(keeping: AssistantKeeping, *, interval_seconds: float, lease: Lease) -> Loop:
    """Asks the provider whether it still has what the directory has."""
    return Loop("assistant_checker", keeping.check_due, interval_seconds=interval_seconds, lease=lease)


def assistant_cleaner(keeping: AssistantKeeping, *, interval_seconds: float, lease: Lease) -> Loop:
    """Deletes ephemeral assistants that nobody needs any more."""
    return Loop("assistant_cleaner", keeping.delete_ephemeral, interval_seconds=interval_seconds, lease=lease)


def housekeeper(*forget: Callable[[], Awaitable[int]]) -> Loop:
    """Forgets what is too old to matter; each answers how many rows it deleted."""

    async def step() -> int:
        return sum([await one() for one in forget])

    return Loop("housekeeper", step, interval_seconds=_CLEAN_UP_SECONDS)
