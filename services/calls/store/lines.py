"""Lines of provider accounts. Taken and given back as rows; nobody counts before taking."""

from collections.abc import Sequence
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.accounts import Line, LinePlan


async def take_outbound(conn: Connection, *, account_id: UUID, call_id: UUID) -> int | None:
    """A free line that outbound calls may use, now held by the call; None if there is none."""
    taken: int | None = await conn.fetchval(
        """
        UPDATE calls.lines
           SET call_id = $2, taken_at = now()
         WHERE (account_id, line_no) = (
               SELECT account_id, line_no
                 FROM calls.lines
                WHERE account_id = $1 AND call_id IS NULL AND NOT retiring AND outbound
                ORDER BY line_no
                LIMIT 1
                  FOR UPDATE SKIP LOCKED)
        RETURNING line_no
        """,
        account_id,
        call_id,
    )
    return taken


async def take_inbound(
    conn: Connection, *, org_id: UUID, call_ids: Sequence[UUID], account_id: UUID | None = None
) -> int:
    """Gives calls that came in a line each, of the account or else of the organization's oldest active one,
    the inbound reserve first. Those that get none, or hold one already, go on without: an inbound call is
    never refused. Returns how many took one."""
    status: str = await conn.execute(
        """
        WITH account AS (
            SELECT id
              FROM calls.provider_accounts
             WHERE org_id = $1 AND CASE WHEN $3::uuid IS NULL THEN active ELSE id = $3 END
             ORDER BY created_at, id
             LIMIT 1
        ), wanting AS (
            SELECT call_id, row_number() OVER (ORDER BY call_id) AS turn
              FROM unnest($2::uuid[]) AS wanted (call_id)
             WHERE NOT EXISTS (SELECT FROM calls.lines AS held WHERE held.call_id = wanted.call_id)
             GROUP BY call_id
        ), locked AS (
            SELECT line.account_id, line.line_no, line.outbound
              FROM calls.lines AS line
             WHERE line.account_id = (SELECT id FROM account) AND line.call_id IS NULL AND NOT line.retiring
             ORDER BY line.outbound, line.line_no
             LIMIT (SELECT count(*) FROM wanting)
               FOR UPDATE SKIP LOCKED
        ), free AS (
            SELECT account_id, line_no, row_number() OVER (ORDER BY outbound, line_no) AS turn FROM locked
        )
        UPDATE calls.lines AS line
           SET call_id = wanting.call_id, taken_at = now()
          FROM free JOIN wanting USING (turn)
         WHERE line.account_id = free.account_id AND line.line_no = free.line_no
        """,
        org_id,
        list(call_ids),
        account_id,
    )
    return int(status.removeprefix("UPDATE "))


async def release(conn: Connection, *, call_ids: Sequence[UUID]) -> int:
    """Frees the lines that these calls hold; a call that holds none frees none. Returns how many were
    freed."""
    rows = await conn.fetch(
        """
        UPDATE calls.lines
           SET call_id = NULL, taken_at = NULL
         WHERE call_id = ANY($1::uuid[])
        RETURNING account_id
        """,
        list(call_ids),
    )
    for account_id in {row["account_id"] for row in rows}:
        await _empty_retiring(conn, account_id=account_id)
    return len(rows)


async def release_orphaned(conn: Connection, *, limit: int) -> list[UUID]:
    """Frees lines whose call has ended or does not exist, and returns those calls. A safety net: whoever ends
    a call releases its line in the same transaction."""
    rows = await conn.fetch(
        """
        SELECT line.call_id
          FROM calls.lines AS line
          LEFT JOIN calls.calls AS call ON call.id = line.call_id
         WHERE line.call_id IS NOT NULL
           AND (call.id IS NULL OR call.status IN ('ENDED', 'FAILED', 'CANCELED', 'TIMEOUT'))
         ORDER BY line.taken_at
         LIMIT $1
           FOR UPDATE OF line SKIP LOCKED
        """,
        limit,
    )
    orphaned = [row["call_id"] for row in rows]
    if orphaned:
        await release(conn, call_ids=orphaned)
    return orphaned


async def _empty_retiring(conn: Connection, *, account_id: UUID) -> None:
    """Calls on retiring lines move to lines that have become free. So a free line always means that fewer
    calls are up than the account has lines, also after their number was lowered below the calls in
    progress."""
    retiring = await conn.fetch(
        """
        SELECT line_no
          FROM calls.lines
         WHERE account_id = $1 AND retiring AND call_id IS NOT NULL
         ORDER BY line_no
         LIMIT 1000
           FOR UPDATE
        """,
        account_id,
    )
    for line in retiring:
        free: int | None = await conn.fetchval(
            """
            SELECT line_no
              FROM calls.lines
             WHERE account_id = $1 AND call_id IS NULL AND NOT retiring
             ORDER BY outbound DESC, line_no
             LIMIT 1
               FOR UPDATE SKIP LOCKED
            """,
            account_id,
        )
        if free is None:
            return
        await _move(conn, account_id=account_id, source=line["line_no"], target=free)


async def _move(conn: Connection, *, account_id: UUID, source: int, target: int) -> None:
    # First let go, then take: the call is unique among the lines at every moment.
    await conn.execute(
        """
        WITH left_behind AS (
            UPDATE calls.lines
               SET call_id = NULL, taken_at = NULL
             WHERE account_id = $1 AND line_no = $2
            RETURNING old.call_id, old.taken_at
        )
        UPDATE calls.lines AS line
           SET call_id = left_behind.call_id, taken_at = left_behind.taken_at
          FROM left_behind
         WHERE line.account_id = $1 AND line.line_no = $3
        """,
        account_id,
        source,
        target,
    )


async def remove_retired(conn: Connection) -> None:
    """Free lines beyond their account's number go."""
    await conn.execute("DELETE FROM calls.lines WHERE retiring AND call_id IS NULL")


async def lock_lines(conn: Connection, *, account_id: UUID) -> list[Line]:
    """All of an account, locked until the end of the transaction."""
    rows = await conn.fetch(
        """
        SELECT line_no, call_id IS NOT NULL AS in_use, outbound, retiring
          FROM calls.lines
         WHERE account_id = $1
         ORDER BY line_no
         LIMIT 3000
           FOR UPDATE
        """,
        account_id,
    )
    return [Line(**row) for row in rows]


async def save_plan(conn: Connection, plan: LinePlan, *, org_id: UUID, account_id: UUID) -> None:
    await conn.execute(
        "DELETE FROM calls.lines WHERE account_id = $1 AND line_no = ANY($2::integer[]) AND call_id IS NULL",
        account_id,
        list(plan.remove),
    )
    await conn.execute(
        """
        INSERT INTO calls.lines (org_id, account_id, line_no, outbound, retiring)
        SELECT $1, $2, line_no, outbound, retiring
          FROM unnest($3::integer[], $4::boolean[], $5::boolean[]) AS line (line_no, outbound, retiring)
            ON CONFLICT ON CONSTRAINT lines_pkey DO UPDATE
           SET outbound = excluded.outbound, retiring = excluded.retiring
        """,
        org_id,
        account_id,
        [line.line_no for line in plan.keep],
        [line.outbound for line in plan.keep],
        [line.retiring for line in plan.keep],
    )
