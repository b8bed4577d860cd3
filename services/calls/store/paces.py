"""How fast calls are placed from each account. The row is made when there is something to keep in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.pacing import Pace


@dataclass(frozen=True, slots=True)
class Paced:
    """With the database's time."""

    pace: Pace
    now: datetime


async def find(conn: Connection, account_id: UUID) -> Paced | None:
    row = await conn.fetchrow(
        """
        SELECT rate_max, slowed_rate, slowed_at, next_at, blocked_until, clock_timestamp() AS now
          FROM calls.account_paces
         WHERE account_id = $1
        """,
        account_id,
    )
    return _paced(row) if row else None


async def lock(conn: Connection, account_id: UUID) -> Paced | None:
    row = await conn.fetchrow(
        """
        SELECT rate_max, slowed_rate, slowed_at, next_at, blocked_until
          FROM calls.account_paces
         WHERE account_id = $1
           FOR UPDATE
        """,
        account_id,
    )
    if row is None:
        return None
    # Read after the wait for the lock.
    now: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return _paced({**row, "now": now})


async def ensure(conn: Connection, account_id: UUID, *, org_id: UUID) -> None:
    await conn.execute(
        """
        INSERT INTO calls.account_paces (account_id, org_id)
        VALUES ($1, $2)
            ON CONFLICT ON CONSTRAINT account_paces_pkey DO NOTHING
        """,
        account_id,
        org_id,
    )


async def save(conn: Connection, account_id: UUID, pace: Pace) -> None:
    """Of a locked row."""
    await conn.execute(
        """
        UPDATE calls.account_paces
           SET rate_max = $2, slowed_rate = $3, slowed_at = $4, next_at = $5, blocked_until = $6
         WHERE account_id = $1
        """,
        account_id,
        pace.rate_max,
        pace.slowed_rate,
        pace.slowed_at,
        pace.next_at,
        pace.blocked_until,
    )


async def count_lately(conn: Connection, account_id: UUID, *, seconds: float) -> int:
    """Calls that have a line of the account and took it in the last moments."""
    count: int = await conn.fetchval(
        """
        SELECT count(*)
          FROM calls.lines
         WHERE account_id = $1 AND taken_at > clock_timestamp() - make_interval(secs => $2)
        """,
        account_id,
        seconds,
    )
    return count


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one account: why its failed calls of the last moments ended, and how many were placed."""

    account_id: UUID
    org_id: UUID
    ended_reasons: list[str]
    placed: int


async def list_failures(conn: Connection, *, seconds: float, limit: int) -> list[Failures]:
    """Of accounts with calls that failed in the last moments and after the account was slowed last."""
    rows = await conn.fetch(
        """
        SELECT failed.provider_account_id AS account_id, failed.org_id,
               array_agg(failed.ended_reason) AS ended_reasons,
               (SELECT count(*) FROM calls.calls AS made
                 WHERE made.org_id = failed.org_id AND made.provider_account_id = failed.provider_account_id
                   AND made.direction = 'OUTBOUND'
                   AND made.created_at > clock_timestamp() - make_interval(secs => $1)) AS placed
          FROM (SELECT provider_account_id, org_id, ended_reason, updated_at
                  FROM calls.calls
                 WHERE direction = 'OUTBOUND' AND status = 'FAILED' AND provider_account_id IS NOT NULL
                   AND updated_at > clock_timestamp() - make_interval(secs => $1)
                 ORDER BY updated_at DESC
                 LIMIT $2) AS failed
          LEFT JOIN calls.account_paces AS pace ON pace.account_id = failed.provider_account_id
         WHERE pace.slowed_at IS NULL OR failed.updated_at > pace.slowed_at
         GROUP BY failed.provider_account_id, failed.org_id
        """,
        seconds,
        limit,
    )
    return [Failures(**row) for row in rows]


def _paced(row: Mapping[str, Any]) -> Paced:
    columns = dict(row)
    now = columns.pop("now")
    return Paced(Pace(**columns), now)
