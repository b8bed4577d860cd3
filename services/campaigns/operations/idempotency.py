"""Idempotency keys: the same request under the same key makes one thing, and answers with it again."""

from dataclasses import dataclass
from uuid import UUID

from libs.errors import IdempotencyKeyReused
from libs.pg import Connection, LostRace, Pool, transaction
from services.campaigns.store import idempotency

# After this long a request that did not finish is taken for dead.
_AT_WORK_SECONDS_MAX = 60.0
_KEPT_HOURS = 24
_DELETED_MAX = 1000


@dataclass(frozen=True, slots=True)
class RequestKey:
    """`fingerprint` tells requests apart that came under one key."""

    key: str
    fingerprint: str


async def reserve(conn: Connection, request: RequestKey, *, org_id: UUID) -> UUID | None:
    """What the request made before, or None if it is now ours to do. Raises IdempotencyKeyReused for another
    request under the key, LostRace while the same one is at work elsewhere."""
    if await idempotency.reserve(conn, request.key, org_id=org_id, fingerprint=request.fingerprint):
        return None
    earlier = await idempotency.lock(conn, request.key)
    if earlier is None:
        raise LostRace
    if earlier.fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(metadata={"idempotency_key": request.key})
    if earlier.resource_id is None:
        if earlier.age_seconds < _AT_WORK_SECONDS_MAX:
            raise LostRace("The same request is being worked on; ask again in a moment.")
        await idempotency.renew(conn, request.key)
    return earlier.resource_id


class IdempotencyKeys:
    """`pool` is the worker role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def forget_old(self) -> int:
        async with transaction(self._pool) as conn:
            return await idempotency.delete_old(conn, hours=_KEPT_HOURS, limit=_DELETED_MAX)
