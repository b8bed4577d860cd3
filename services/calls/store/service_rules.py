"""Which kinds of service are taken on.

The release before this one reads `refused_services` instead; what is refused is written there as well.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import ServiceRule, Stored, Verdict


async def insert_many(
    conn: Connection, rules: Sequence[ServiceRule], *, org_id: UUID
) -> list[Stored[ServiceRule]]:
    """Those of kinds that have no rule yet."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.service_rules (org_id, service_type, verdict, message_fr, message_en, active)
        SELECT $1, service_type, verdict, message_fr, message_en, active
          FROM jsonb_populate_recordset(NULL::calls.service_rules, $2)
            ON CONFLICT ON CONSTRAINT service_rules_type_unique DO NOTHING
        RETURNING id, service_type, verdict, message_fr, message_en, active, updated_at
        """,
        org_id,
        rules,
    )
    await _copy_refused(conn, [row["id"] for row in rows])
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[ServiceRule] | None:
    row = await conn.fetchrow(
        """
        SELECT id, service_type, verdict, message_fr, message_en, active, updated_at
          FROM calls.service_rules
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: ServiceRule) -> Stored[ServiceRule]:
    """Writes all but the kind of service of a locked rule."""
    [row] = await conn.fetch(
        """
        UPDATE calls.service_rules
           SET verdict = $2, message_fr = $3, message_en = $4, active = $5, updated_at = now()
         WHERE id = $1
        RETURNING id, service_type, verdict, message_fr, message_en, active, updated_at
        """,
        rule_id,
        rule.verdict.value,
        rule.message_fr,
        rule.message_en,
        rule.active,
    )
    await _forget_refused(conn, rule_id)
    await _copy_refused(conn, [rule_id])
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await _forget_refused(conn, rule_id)
    await conn.execute("DELETE FROM calls.service_rules WHERE id = $1", rule_id)


async def list_page(conn: Connection, *, after: str | None, limit: int) -> list[Stored[ServiceRule]]:
    """By service type. Of the organization of the transaction."""
    rows = await conn.fetch(
        """
        SELECT id, service_type, verdict, message_fr, message_en, active, updated_at
          FROM calls.service_rules
         WHERE $1::text IS NULL OR service_type > $1
         ORDER BY service_type
         LIMIT $2
        """,
        after,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[ServiceRule]:
    """With what only the release before this one refused, while both are running."""
    rows = await conn.fetch(
        """
        SELECT service_type, verdict, message_fr, message_en, active
          FROM calls.service_rules
         WHERE org_id = $1 AND active
         UNION ALL
        SELECT service_type, 'REFUSED', '', '', true
          FROM calls.refused_services AS refused
         WHERE org_id = $1
           AND NOT EXISTS (SELECT FROM calls.service_rules AS rule
                            WHERE rule.org_id = $1 AND rule.service_type = refused.service_type)
         ORDER BY service_type
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [_rule(dict(row)) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.service_rules")
    return found


async def _copy_refused(conn: Connection, rule_ids: Sequence[UUID]) -> None:
    await conn.execute(
        """
        INSERT INTO calls.refused_services (org_id, service_type)
        SELECT org_id, service_type FROM calls.service_rules
         WHERE id = ANY($1::uuid[]) AND active AND verdict = 'REFUSED'
            ON CONFLICT ON CONSTRAINT refused_services_type_unique DO NOTHING
        """,
        list(rule_ids),
    )


async def _forget_refused(conn: Connection, rule_id: UUID) -> None:
    await conn.execute(
        """
        DELETE FROM calls.refused_services AS refused
         USING calls.service_rules AS rule
         WHERE rule.id = $1 AND refused.org_id = rule.org_id AND refused.service_type = rule.service_type
        """,
        rule_id,
    )


def _stored(row: Mapping[str, Any]) -> Stored[ServiceRule]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=_rule(fields), updated_at=updated_at)


def _rule(fields: dict[str, Any]) -> ServiceRule:
    fields["verdict"] = Verdict(fields["verdict"])
    return ServiceRule(**fields)
