"""Forgetting events that nobody reads any more.

They go from the oldest on, and the last of the old ones stays. So a reader whose cursor lies before the
oldest event there is has missed some, and is told so when it comes back (see `read_after`).
"""

from collections import defaultdict
from itertools import takewhile
from typing import Final
from uuid import UUID

from libs.loops import Loop
from libs.pg.identifiers import checked
from libs.pg.lease import Lease
from libs.pg.transactions import Connection, Pool, transaction

# The database leaves a week alone whatever is asked.
KEPT_DAYS_MIN: Final = 8.0
KEPT_DAYS_DEFAULT: Final = 30.0
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
    """Removes the oldest events, `limit` of them at most, that are older than so many days, but for the last
    of these; returns how many it removed."""
    rows = await conn.fetch(
        f"""
        SELECT event.org_id, event.xid::text AS xid_text, event.position,
               event.time < now() - make_interval(secs => $2 * 86400) AS old
          FROM {checked(schema)}.outbox AS event
         ORDER BY event.xid, event.position
         LIMIT $1
        """,
        limit + 1,
        days,
    )
    # The order of the log is nearly that of time: what is behind a young event is left for another day.
    old = list(takewhile(lambda row: row["old"], rows))
    places: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
    for row in old[:-1]:
        places[row["org_id"]].append((row["xid_text"], row["position"]))
    forgotten = 0
    for org_id, found in places.items():
        forgotten += await conn.fetchval(
            f"SELECT {checked(schema)}.forget_events($1, $2, $3)",
            org_id,
            [xid for xid, _ in found],
            [position for _, position in found],
        )
    return forgotten
