"""The loop that looks after attempts nothing was heard of: lost intents, unknown placements, silent calls."""

from collections.abc import Callable

from libs.loops import Loop
from services.campaigns.operations.checking import Checking
from services.campaigns.operations.idempotency import IdempotencyKeys

_CLEAN_UP_SECONDS = 3600.0


def reconciler(checking: Checking, *, interval_seconds: float, wake_after: Callable[[], None]) -> Loop:
    """`wake_after` is called after a round that may have freed slots."""

    async def step() -> int:
        checked = await checking.check_due()
        if checked:
            wake_after()
        return checked

    return Loop("reconciler", step, interval_seconds=interval_seconds)


def housekeeper(keys: IdempotencyKeys) -> Loop:
    """Forgets old idempotency keys."""
    return Loop("housekeeper", keys.forget_old, interval_seconds=_CLEAN_UP_SECONDS)
