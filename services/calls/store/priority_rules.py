"""Rules by which calls are judged."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Priority
from services.calls.domain.rules import PriorityRule, Stored, TextField


async def insert_many(
    conn: Connection, rules: Sequence[PriorityRule], *, org_id: UUID
) -> list[Stored[PriorityRule]]:
    """Those whose name is not taken."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.priority_rules (
               org_id, name, position, active, keywords, pattern, fields, customer_type, value_min, priority,
               reason, sla_seconds, escalation, business_hours_only, effective_from, effective_until)
        SELECT $1, name, position, active, keywords, pattern, fields, customer_type, value_min, priority,
               reason, sla_seconds, escalation, business_hours_only, effective_from, effective_until
          FROM jsonb_populate_recordset(NULL::calls.priority_rules, $2)
            ON CONFLICT ON CONSTRAINT priority_rules_name_unique DO NOTHING
        RETURNING id, name, position, active, keywords, pattern, fields, customer_type, value_min, priority,
                  reason, sla_seconds, escalation, business_hours_only, effective_from, effective_until,
                  updated_at
        """,
        org_id,
        rules,
    )
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[PriorityRule] | None:
    row = await conn.fetchrow(
        """
        SELECT id, name, position, active, keywords, pattern, fields, customer_type, value_min, priority,
               reason, sla_seconds, escalation, business_hours_only, effective_from, effective_until,
               updated_at
          FROM calls.priority_rules
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: PriorityRule) -> Stored[PriorityRule]:
    """Writes all but the name of a locked rule."""
    [row] = await conn.fetch(
        """
        UPDATE calls.priority_rules AS rule
           SET position = changed.position, active = changed.active, keywords = changed.keywords,
               pattern = changed.pattern, fields = changed.fields, customer_type = changed.customer_type,
               value_min = changed.value_min, priority = changed.priority, reason = changed.reason,
               sla_seconds = changed.sla_seconds, escalation = changed.escalation,
               business_hours_only = changed.business_hours_only, effective_from = changed.effective_from,
               effective_until = changed.effective_until, updated_at = now()
          FROM jsonb_populate_record(NULL::calls.priority_rules, $2) AS changed
         WHERE rule.id = $1
        RETURNING rule.id, rule.name, rule.position, rule.active, rule.keywords, rule.pattern, rule.fields,
                  rule.customer_type, rule.value_min, rule.priority, rule.reason, rule.sla_seconds,
                  rule.escalation, rule.business_hours_only, rule.effective_from, rule.effective_until,
                  rule.updated_at
        """,
        rule_id,
        rule,
    )
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await conn.execute("DELETE FROM calls.priority_rules WHERE id = $1", rule_id)


async def list_page(
    conn: Connection, *, after: tuple[int, UUID] | None, limit: int
) -> list[Stored[PriorityRule]]:
    """In the order in which they are tried. Of the organization of the transaction."""
    position, rule_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, keywords, pattern, fields, customer_type, value_min, priority,
               reason, sla_seconds, escalation, business_hours_only, effective_from, effective_until,
               updated_at
          FROM calls.priority_rules
         WHERE $1::integer IS NULL OR (position, id) > ($1, $2::uuid)
         ORDER BY position, id
         LIMIT $3
        """,
        position,
        rule_id,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[PriorityRule]:
    rows = await conn.fetch(
        """
        SELECT name, position, active, keywords, pattern, fields, customer_type, value_min, priority, reason,
               sla_seconds, escalation, business_hours_only, effective_from, effective_until
          FROM calls.priority_rules
         WHERE org_id = $1 AND active
         ORDER BY position, id
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [_rule(dict(row)) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.priority_rules")
    return found


def _stored(row: Mapping[str, Any]) -> Stored[PriorityRule]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=_rule(fields), updated_at=updated_at)


def _rule(fields: dict[str, Any]) -> PriorityRule:
    fields["keywords"], fields["escalation"] = tuple(fields["keywords"]), tuple(fields["escalation"])
    fields["fields"] = tuple(map(TextField, fields["fields"]))
    fields["priority"] = Priority(fields["priority"])
    return PriorityRule(**fields)
