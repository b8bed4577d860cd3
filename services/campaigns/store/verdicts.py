"""Verdicts on contacts: the facts they rest on, what they said, and who waits because of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.contactability import Decision, Facts, FrequencyCap, StoredVerdict, Verdict
from services.campaigns.domain.contacts import Contact


async def read_facts(
    conn: Connection, contact_ids: Sequence[UUID], *, cap: FrequencyCap | None, now: datetime
) -> Mapping[UUID, Facts]:
    """Of the contacts' numbers, over all campaigns of the organization. A call that the provider side refused
    rang nowhere and is not counted."""
    rows = await conn.fetch(
        """
        SELECT contact.id, contact.phone, contact.time_zone, contact.attempts, contact.next_attempt_at,
               EXISTS (SELECT FROM campaigns.suppressions
                        WHERE suppressions.org_id = contact.org_id AND suppressions.phone = contact.phone
                          AND suppressions.channel IN ('VOICE', 'ALL')) AS suppressed,
               EXISTS (SELECT FROM campaigns.consents
                        WHERE consents.org_id = contact.org_id AND consents.phone = contact.phone
                          AND consents.channel IN ('VOICE', 'ALL')
                          AND consents.revoked_at IS NULL) AS consented,
               ARRAY (SELECT made.at
                        FROM (SELECT attempts.created_at AS at
                                FROM campaigns.contacts AS same
                                JOIN campaigns.attempts ON attempts.contact_id = same.id
                               WHERE same.org_id = contact.org_id AND same.phone = contact.phone
                                 AND attempts.state <> 'REFUSED' AND attempts.created_at > $2
                               UNION ALL
                              SELECT text_messages.sent_at
                                FROM campaigns.text_messages
                               WHERE text_messages.org_id = contact.org_id
                                 AND text_messages.phone = contact.phone
                                 AND text_messages.sent_at > $2) AS made
                       ORDER BY made.at DESC
                       LIMIT $3) AS contacted_at
          FROM campaigns.contacts AS contact
         WHERE contact.id = ANY ($1::uuid[])
        """,
        list(contact_ids),
        now - (cap.period if cap else timedelta()),
        cap.contacts_max if cap else 0,
    )
    return {
        row["id"]: Facts(
            **{
                **{name: value for name, value in row.items() if name != "id"},
                "contacted_at": tuple(row["contacted_at"]),
            }
        )
        for row in rows
    }


async def insert(
    conn: Connection, contact_id: UUID, verdict: Verdict, *, org_id: UUID, campaign_id: UUID
) -> None:
    await conn.execute(
        """
        INSERT INTO campaigns.verdicts (org_id, campaign_id, contact_id, verdict, reason, until_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        org_id,
        campaign_id,
        contact_id,
        verdict.decision.value,
        verdict.reason,
        verdict.until,
    )


async def postpone(conn: Connection, postponed: Sequence[tuple[Contact, Verdict]]) -> None:
    """Lets contacts wait. A verdict is stored where the reason is another one than before."""
    await conn.execute(
        """
        WITH postponed AS (
            UPDATE campaigns.contacts
               SET next_attempt_at = waiting.until_at, wait_reason = waiting.reason,
                   updated_at = now()
              FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS waiting (id, reason, until_at)
             WHERE contacts.id = waiting.id
            RETURNING contacts.id, contacts.org_id, contacts.campaign_id, waiting.reason, waiting.until_at,
                      old.wait_reason AS reason_before
        )
        INSERT INTO campaigns.verdicts (org_id, campaign_id, contact_id, verdict, reason, until_at)
        SELECT org_id, campaign_id, id, 'WAIT', reason, until_at
          FROM postponed
         WHERE reason <> reason_before
        """,
        [contact.id for contact, _ in postponed],
        [verdict.reason for _, verdict in postponed],
        [verdict.until for _, verdict in postponed],
    )


async def pass_over(conn: Connection, over: Sequence[tuple[Contact, Verdict]]) -> None:
    """Settles contacts that are skipped or whose attempts are used up, and stores why."""
    await conn.execute(
        """
        WITH settled AS (
            UPDATE campaigns.contacts
               SET status = CASE passed.verdict WHEN 'SKIP' THEN 'SKIPPED' ELSE 'DONE' END,
                   reason = passed.reason, next_attempt_at = NULL, wait_reason = '', callback_at = NULL,
                   callback_dialed = false, updated_at = now()
              FROM unnest($1::uuid[], $2::text[], $3::text[]) AS passed (id, verdict, reason)
             WHERE contacts.id = passed.id
            RETURNING contacts.id, contacts.org_id, contacts.campaign_id, passed.verdict, passed.reason
        )
        INSERT INTO campaigns.verdicts (org_id, campaign_id, contact_id, verdict, reason)
        SELECT org_id, campaign_id, id, verdict, reason FROM settled
        """,
        [contact.id for contact, _ in over],
        [verdict.decision.value for _, verdict in over],
        [verdict.reason for _, verdict in over],
    )


async def recall(conn: Connection, *, org_id: UUID, campaign_id: UUID | None) -> None:
    """Contacts that were told to wait are looked at again; of all campaigns if none is named. A retry that is
    not due yet is none of them."""
    await conn.execute(
        """
        UPDATE campaigns.contacts
           SET next_attempt_at = clock_timestamp(), updated_at = now()
         WHERE org_id = $1 AND ($2::uuid IS NULL OR campaign_id = $2)
           AND status = 'PENDING' AND wait_reason <> '' AND next_attempt_at > clock_timestamp()
        """,
        org_id,
        campaign_id,
    )


async def list_before(
    conn: Connection, campaign_id: UUID, *, contact_id: UUID | None, before: UUID | None, limit: int
) -> list[StoredVerdict]:
    """Newest first: ids are made in the order of time."""
    rows = await conn.fetch(
        """
        SELECT id, campaign_id, contact_id, verdict, reason, until_at, decided_at
          FROM campaigns.verdicts
         WHERE campaign_id = $1 AND ($2::uuid IS NULL OR contact_id = $2) AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC
         LIMIT $4
        """,
        campaign_id,
        contact_id,
        before,
        limit,
    )
    return [
        StoredVerdict(
            id=row["id"],
            campaign_id=row["campaign_id"],
            contact_id=row["contact_id"],
            verdict=Verdict(Decision(row["verdict"]), row["reason"], row["until_at"]),
            decided_at=row["decided_at"],
        )
        for row in rows
    ]
