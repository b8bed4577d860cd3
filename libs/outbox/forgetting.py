"""Forgetting events that nobody reads any more.

A reader that was away for longer than events are kept has missed what was forgotten; its service knows how to
find out by asking, as after any loss.
"""

from collections import defaultdict
from typing import Final
from uuid import UUID

from libs.loops import Loop
from libs.pg.identifiers import checked
from libs.pg.lease import Lease
from libs.pg.transactions import Connection, Pool, transaction

# The database leaves a week alone whatever is asked (see the migrations).
KEPT_DAYS_MIN: Final = 8
KEPT_DAYS_DEFAULT: Final = 30
_BATCH_MAX: Final = 500
_INTERVAL_SECONDS: Final = 600.0
_LEASE_SECONDS: Final = 30.0


def forgetting_loop(pool: Pool, *, schema: str, days: float) -> Loop:
    """`pool` is the worker role's."""

    async def step() -> int:
        async with transaction(pool) as conn:
            return await forget(conn, schema, days=days, limit=_BATCH_MAX)

    lease = Lease(pool, schema=schema, name="forget events", ttl_seconds=_LEASE_SECONDS)
    return Loop("forget events", step, interval_seconds=_INTERVAL_SECONDS, lease=lease)


async def forget(conn: Connection, schema: str, *, days: float, limit: int) -> int:
    """Removes the oldest events, `limit` of them at most, that are older than so many days; returns how many
    these were."""
    rows = await conn.fetch(
        # The order of the log is nearly that of time: what is behind a young event is left for another day.
        f"""
        SELECT oldest.org_id, oldest.xid::text AS xid, oldest.position
          FROM (SELECT org_id, xid, position, time
                  FROM {checked(schema)}.outbox
                 ORDER BY xid, position
                 LIMIT $1) AS oldest
         WHERE oldest.time < now() - make_interval(secs => $2 * 86400)
        """,
        limit,
        float(days),
    )
    places: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for row in rows:
        places[row["org_id"]].append((row["xid"], row["position"]))
    forgotten = 0
    for org_id, old in places.items():
        forgotten += await conn.fetchval(
            f"SELECT {checked(schema)}.forget_events($1, $2, $3)",
            org_id,
            [xid for xid, _ in old],
            [position for _, position in old],
        )
    return forgotten
