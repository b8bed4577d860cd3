"""Calls that are over and of which something is missing, and whose the calls are that we never heard of."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.pg import Connection

# How often, and after which ends, what is missing is asked for; each time three times as long after the last.
LOOKS_MAX = 6
_DAYS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteCall:
    call_id: UUID
    org_id: UUID
    account_id: UUID | None
    provider_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTarget:
    """An account whose list of calls is compared with the record. `shared`: the deployment's, which several
    organizations may use."""

    account_id: UUID | None
    org_id: UUID
    shared: bool

    @property
    def name(self) -> str:
        return "provider list" if self.shared else f"provider list {self.account_id}"


async def claim_incomplete(conn: Connection, *, report_seconds: float, limit: int) -> list[IncompleteCall]:
    """Calls over for so long that their report should be in, without a report, cost, recording or whole
    conversation. Each is handed out a few times, with growing pauses."""
    rows = await conn.fetch(
        """
        UPDATE calls.calls
           SET completion_looks = completion_looks + 1, completion_looked_at = now()
         WHERE id IN (
               SELECT id
                 FROM calls.calls
                WHERE status NOT IN ('QUEUED', 'RINGING', 'IN_PROGRESS') AND provider_call_id IS NOT NULL
                  AND completion_looks < 6
                  AND (reported_at IS NULL OR cost_usd IS NULL
                       OR connected AND (recording_url = '' OR transcript_source IS DISTINCT FROM 'REPORT'))
                  AND created_at > now() - make_interval(days => $1)
                  AND greatest(updated_at, completion_looked_at)
                      < now() - make_interval(secs => $2 * power(3, completion_looks))
                ORDER BY created_at, id
                LIMIT $3
                  FOR UPDATE SKIP LOCKED)
        RETURNING id AS call_id, org_id, provider_account_id AS account_id, provider_call_id
        """,
        _DAYS_MAX,
        report_seconds,
        limit,
    )
    return [IncompleteCall(**row) for row in rows]


async def list_targets(conn: Connection, *, limit: int) -> list[SweepTarget]:
    """Every account with credentials of its own, and the deployment's as one of the organizations that use
    it."""
    rows = await conn.fetch(
        """
        -- Each organization once, from one to the next: there may be a million calls.
        WITH RECURSIVE organizations AS (
            (SELECT org_id FROM calls.own_facts ORDER BY org_id LIMIT 1)
             UNION ALL
            SELECT (SELECT own.org_id
                      FROM calls.own_facts AS own
                     WHERE own.org_id > organizations.org_id
                     ORDER BY own.org_id
                     LIMIT 1)
              FROM organizations
             WHERE organizations.org_id IS NOT NULL
        )
        (SELECT id AS account_id, org_id, false AS shared
           FROM calls.provider_accounts
          WHERE active AND credentials IS NOT NULL
          ORDER BY created_at, id
          LIMIT $1)
         UNION ALL
        (SELECT account_id, org_id, true AS shared
           FROM ((SELECT id AS account_id, org_id, 1 AS turn
                    FROM calls.provider_accounts
                   WHERE active AND credentials IS NULL
                   ORDER BY created_at, id
                   LIMIT 1)
                  UNION ALL
                 (SELECT NULL, org_id, 2
                    FROM organizations
                   WHERE org_id IS NOT NULL
                     AND NOT EXISTS (SELECT FROM calls.provider_accounts AS account
                                      WHERE account.org_id = organizations.org_id AND account.active)
                   ORDER BY org_id
                   LIMIT 1)) AS users
          ORDER BY turn
          LIMIT 1)
        """,
        limit,
    )
    return [SweepTarget(**row) for row in rows]


async def find_owners(
    conn: Connection, *, provider_call_ids: Sequence[str], own_ids: Sequence[UUID]
) -> tuple[dict[str, UUID], dict[UUID, UUID]]:
    """Whose calls these are, by the provider's id and by ours; those we never heard of are left out."""
    rows = await conn.fetch(
        """
        SELECT call_id, org_id, provider_call_id
          FROM calls.own_facts
         WHERE provider_call_id = ANY($1::text[]) OR call_id = ANY($2::uuid[])
        """,
        list(provider_call_ids),
        list(own_ids),
    )
    by_provider_id = {row["provider_call_id"]: row["org_id"] for row in rows if row["provider_call_id"]}
    return by_provider_id, {row["call_id"]: row["org_id"] for row in rows}


async def find_number_owners(conn: Connection, phone_number_ids: Sequence[str]) -> dict[str, UUID]:
    """Whose these numbers of ours are, where one organization alone has it."""
    rows = await conn.fetch(
        """
        SELECT phone_number_id, (array_agg(DISTINCT org_id))[1] AS org_id
          FROM calls.provider_phone_numbers
         WHERE phone_number_id = ANY($1::text[])
         GROUP BY phone_number_id
        HAVING count(DISTINCT org_id) = 1
        """,
        list(phone_number_ids),
    )
    return {row["phone_number_id"]: row["org_id"] for row in rows}


async def find_only_organization(conn: Connection) -> UUID | None:
    """The one there is, as far as calls and accounts tell; None if there are several."""
    rows = await conn.fetch(
        """
        (SELECT org_id FROM calls.own_facts ORDER BY org_id LIMIT 1) UNION
        (SELECT org_id FROM calls.own_facts ORDER BY org_id DESC LIMIT 1) UNION
        (SELECT org_id FROM calls.provider_accounts ORDER BY org_id LIMIT 1) UNION
        (SELECT org_id FROM calls.provider_accounts ORDER BY org_id DESC LIMIT 1)
        """
    )
    return rows[0]["org_id"] if len(rows) == 1 else None


async def find_swept_until(conn: Connection, *, name: str) -> tuple[str, str]:
    """How far a list was compared, as ISO text or empty, and the database's time."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.cursors AS place (consumer) VALUES ($1)
            ON CONFLICT (consumer) DO UPDATE SET moved_at = now()
        RETURNING cursor, now() AS now
        """,
        name,
    )
    return rows[0]["cursor"], rows[0]["now"].isoformat()


async def save_swept_until(conn: Connection, *, name: str, until: str) -> None:
    await conn.execute(
        "UPDATE calls.cursors SET cursor = $2, moved_at = now() WHERE consumer = $1", name, until
    )
