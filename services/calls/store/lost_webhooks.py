"""Webhooks that the provider must have sent and that never came."""

from uuid import UUID

from libs.pg import Connection


async def suspect(
    conn: Connection, *, org_id: UUID, provider: str, provider_call_id: str, message_type: str
) -> None:
    """Unless it stands in the ledger, or is suspected or found already. What we took from the provider
    ourselves has the organization for its source."""
    await conn.execute(
        """
        INSERT INTO calls.lost_webhooks (org_id, provider, provider_call_id, type)
        SELECT $1, $2, $3, $4
         WHERE NOT EXISTS (SELECT FROM calls.provider_events
                            WHERE org_id = $1 AND provider_call_id = $3 AND provider_call_id <> ''
                              AND provider = $2 AND type = $4 AND source_id <> $1)
            ON CONFLICT ON CONSTRAINT lost_webhooks_pkey DO NOTHING
        """,
        org_id,
        provider,
        provider_call_id,
        message_type,
    )


async def settle(conn: Connection, *, late_seconds: float, limit: int) -> tuple[int, list[str]]:
    """Decides about the oldest suspicions that are older than `late_seconds` and about whose calls nothing
    has come for as long (the provider may be behind with all of them): what has come in the meantime was
    late, everything else is lost. Returns how many were decided, and the types of the lost ones."""
    rows = await conn.fetch(
        """
        WITH due AS (
            SELECT org_id, provider, provider_call_id, type,
                   EXISTS (SELECT FROM calls.provider_events AS entry
                            WHERE entry.org_id = suspected.org_id
                              AND entry.provider_call_id = suspected.provider_call_id
                              AND entry.provider_call_id <> '' AND entry.provider = suspected.provider
                              AND entry.type = suspected.type AND entry.source_id <> entry.org_id) AS came
              FROM calls.lost_webhooks AS suspected
             WHERE found_at IS NULL AND suspected_at < now() - make_interval(secs => $1)
               AND NOT EXISTS (SELECT FROM calls.provider_events AS recent
                                WHERE recent.org_id = suspected.org_id
                                  AND recent.provider_call_id = suspected.provider_call_id
                                  AND recent.provider_call_id <> '' AND recent.provider = suspected.provider
                                  AND recent.source_id <> recent.org_id
                                  AND recent.stored_at > now() - make_interval(secs => $1))
             ORDER BY suspected_at
             LIMIT $2
               FOR UPDATE SKIP LOCKED
        ), late AS (
            DELETE FROM calls.lost_webhooks AS suspected USING due
             WHERE due.came
               AND (suspected.org_id, suspected.provider, suspected.provider_call_id, suspected.type)
                   = (due.org_id, due.provider, due.provider_call_id, due.type)
        ), lost AS (
            UPDATE calls.lost_webhooks AS suspected SET found_at = now() FROM due
             WHERE NOT due.came
               AND (suspected.org_id, suspected.provider, suspected.provider_call_id, suspected.type)
                   = (due.org_id, due.provider, due.provider_call_id, due.type)
        )
        SELECT type, came FROM due
        """,
        late_seconds,
        limit,
    )
    return len(rows), [row["type"] for row in rows if not row["came"]]
