"""What makes webhooks the same, while it may matter. Looked through by place on disk: an index by time would
cost every webhook something, and this costs a pass a day."""

from collections import defaultdict
from uuid import UUID

from libs.pg import Connection


async def count_blocks(conn: Connection) -> int:
    blocks: int = await conn.fetchval(
        """
        SELECT pg_relation_size('calls.provider_event_keys') / current_setting('block_size')::bigint
        """
    )
    return blocks


async def forget(conn: Connection, *, days: float, first: int, last: int) -> int:
    """Removes the keys in these blocks that are older than so many days; returns how many these were."""
    rows = await conn.fetch(
        """
        SELECT org_id, source_id, dedupe_key
          FROM calls.provider_event_keys
         WHERE ctid >= $1::text::tid AND ctid < $2::text::tid
           AND received_at < now() - make_interval(secs => $3 * 86400)
        """,
        f"({first},0)",
        f"({last + 1},0)",
        float(days),
    )
    keys: dict[UUID, list[tuple[UUID, bytes]]] = defaultdict(list)
    for row in rows:
        keys[row["org_id"]].append((row["source_id"], row["dedupe_key"]))
    forgotten = 0
    for org_id, old in keys.items():
        forgotten += await conn.fetchval(
            "SELECT calls.forget_event_keys($1, $2, $3)",
            org_id,
            [source_id for source_id, _ in old],
            [key for _, key in old],
        )
    return forgotten
