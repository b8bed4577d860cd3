"""Contacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.contacts import Contact, NewContact, Settlement, Status
from services.campaigns.store.rows import existing


@dataclass(frozen=True, slots=True)
class Added:
    """`returned` were there from an import that had been taken back."""

    new: int
    returned: int


def _contact(row: Mapping[str, Any]) -> Contact:
    return Contact(**{**row, "status": Status(row["status"])})


async def insert_new(
    conn: Connection, new: Sequence[NewContact], *, org_id: UUID, campaign_id: UUID, import_id: UUID
) -> Added:
    """Adds those whose number the campaign does not have yet, or has only from an import that was taken
    back."""
    row = await conn.fetchrow(
        """
        WITH added AS (
            INSERT INTO campaigns.contacts (org_id, campaign_id, import_id, row, name, business_name, phone,
                                            time_zone)
            SELECT $1, $2, $3, contact.row, contact.name, contact.business_name, contact.phone,
                   contact.time_zone
              FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[])
                   AS contact (row, name, business_name, phone, time_zone)
             ORDER BY contact.row
                ON CONFLICT ON CONSTRAINT contacts_phone_unique DO UPDATE
               SET import_id = excluded.import_id, row = excluded.row, name = excluded.name,
                   business_name = excluded.business_name, time_zone = excluded.time_zone,
                   status = 'PENDING', reason = '', wait_reason = '',
                   updated_at = now()
             WHERE contacts.status = 'SKIPPED' AND contacts.reason = 'IMPORT_UNDONE'
            RETURNING old.id IS NULL AS is_new
        )
        SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS returned
          FROM added
        """,
        org_id,
        campaign_id,
        import_id,
        [contact.row for contact in new],
        [contact.name for contact in new],
        [contact.business_name for contact in new],
        [contact.phone for contact in new],
        [contact.time_zone for contact in new],
    )
    return Added(**existing(row))


async def list_after(
    conn: Connection, campaign_id: UUID, *, after: int, status: Status | None, limit: int
) -> list[Contact]:
    """In the order in which they were added."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, position, row, name, business_name, phone, status, attempts,
               attempt_id, next_attempt_at, reason, time_zone, wait_reason, callback_at, callback_dialed
          FROM campaigns.contacts
         WHERE campaign_id = $1 AND position > $2 AND ($3::text IS NULL OR status = $3)
         ORDER BY position
         LIMIT $4
        """,
        campaign_id,
        after,
        status.value if status else None,
        limit,
    )
    return [_contact(row) for row in rows]


async def list_waiting(conn: Connection, campaign_id: UUID, *, after: int, limit: int) -> list[Contact]:
    """Those whose turn to be tried again is to come, in the order in which they were added."""
    rows = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, position, row, name, business_name, phone, status, attempts,
               attempt_id, next_attempt_at, reason, time_zone, wait_reason, callback_at, callback_dialed
          FROM campaigns.contacts
         WHERE campaign_id = $1 AND position > $2 AND status = 'PENDING' AND attempts > 0
           AND next_attempt_at IS NOT NULL AND callback_at IS NULL
         ORDER BY position
         LIMIT $3
        """,
        campaign_id,
        after,
        limit,
    )
    return [_contact(row) for row in rows]


async def list_due(conn: Connection, campaign_id: UUID, *, limit: int) -> list[Contact]:
    """The next ones to call, locked: those who asked to be called now, those never called in their order,
    then others as they fall due."""
    asked = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, position, row, name, business_name, phone, status, attempts,
               attempt_id, next_attempt_at, reason, time_zone, wait_reason, callback_at, callback_dialed
          FROM campaigns.contacts
         WHERE campaign_id = $1 AND status = 'PENDING' AND callback_at IS NOT NULL
           AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
         ORDER BY next_attempt_at NULLS FIRST, position
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        """,
        campaign_id,
        limit,
    )
    others = await conn.fetch(
        """
        SELECT id, org_id, campaign_id, position, row, name, business_name, phone, status, attempts,
               attempt_id, next_attempt_at, reason, time_zone, wait_reason, callback_at, callback_dialed
          FROM campaigns.contacts
         WHERE campaign_id = $1 AND status = 'PENDING' AND callback_at IS NULL
           AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
         ORDER BY next_attempt_at NULLS FIRST, position
         LIMIT $2
           FOR UPDATE SKIP LOCKED
        """,
        campaign_id,
        limit - len(asked),
    )
    return [_contact(row) for row in (*asked, *others)]


async def lock(conn: Connection, contact_id: UUID) -> Contact:
    row = await conn.fetchrow(
        """
        SELECT id, org_id, campaign_id, position, row, name, business_name, phone, status, attempts,
               attempt_id, next_attempt_at, reason, time_zone, wait_reason, callback_at, callback_dialed
          FROM campaigns.contacts
         WHERE id = $1
           FOR NO KEY UPDATE
        """,
        contact_id,
    )
    return _contact(existing(row))


async def begin_attempt(conn: Connection, contact_id: UUID, *, attempt_id: UUID) -> None:
    await conn.execute(
        """
        UPDATE campaigns.contacts
           SET status = 'ACTIVE', attempts = attempts + 1, attempt_id = $2, next_attempt_at = NULL,
               callback_dialed = callback_at IS NOT NULL, wait_reason = '', updated_at = now()
         WHERE id = $1
        """,
        contact_id,
        attempt_id,
    )


async def settle(conn: Connection, contact_id: UUID, settlement: Settlement) -> None:
    await conn.execute(
        """
        UPDATE campaigns.contacts
           SET status = $2, reason = $3, attempts = $4, attempt_id = NULL, wait_reason = '',
               updated_at = now(),
               next_attempt_at = clock_timestamp() + make_interval(secs => $5::double precision),
               callback_at = CASE WHEN $6 THEN callback_at END, callback_dialed = false
         WHERE id = $1
        """,
        contact_id,
        settlement.status.value,
        settlement.reason,
        settlement.attempts,
        settlement.retry_in_seconds,
        settlement.callback,
    )


async def any_open(conn: Connection, campaign_id: UUID) -> bool:
    """Whether somebody is not dealt with yet."""
    found: bool = await conn.fetchval(
        """
        -- In the order of an index, so that contacts who are dealt with are not read.
        SELECT coalesce((SELECT true FROM campaigns.contacts
                          WHERE campaign_id = $1 AND status = 'PENDING'
                          ORDER BY next_attempt_at NULLS FIRST, position
                          LIMIT 1),
                        (SELECT true FROM campaigns.contacts
                          WHERE campaign_id = $1 AND attempt_id IS NOT NULL
                          ORDER BY attempt_id
                          LIMIT 1),
                        false)
        """,
        campaign_id,
    )
    return found
