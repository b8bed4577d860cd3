"""How soon jobs can be done."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.call import Priority
from services.calls.domain.rules import SchedulingRule, Stored, WindowUnit


async def insert_many(
    conn: Connection, rules: Sequence[SchedulingRule], *, org_id: UUID
) -> list[Stored[SchedulingRule]]:
    """Those whose name is not taken."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.scheduling_rules (
               org_id, name, position, active, service_type, priority, window_label, soonest, latest, unit,
               can_schedule, requirements, message_fr, message_en)
        SELECT $1, name, position, active, service_type, priority, window_label, soonest, latest, unit,
               can_schedule, requirements, message_fr, message_en
          FROM jsonb_populate_recordset(NULL::calls.scheduling_rules, $2)
            ON CONFLICT ON CONSTRAINT scheduling_rules_name_unique DO NOTHING
        RETURNING id, name, position, active, service_type, priority, window_label, soonest, latest, unit,
                  can_schedule, requirements, message_fr, message_en, updated_at
        """,
        org_id,
        rules,
    )
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[SchedulingRule] | None:
    row = await conn.fetchrow(
        """
        SELECT id, name, position, active, service_type, priority, window_label, soonest, latest, unit,
               can_schedule, requirements, message_fr, message_en, updated_at
          FROM calls.scheduling_rules
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: SchedulingRule) -> Stored[SchedulingRule]:
    """Writes all but name, service and priority of a locked rule."""
    [row] = await conn.fetch(
        """
        UPDATE calls.scheduling_rules AS rule
           SET position = changed.position, active = changed.active, window_label = changed.window_label,
               soonest = changed.soonest, latest = changed.latest, unit = changed.unit,
               can_schedule = changed.can_schedule, requirements = changed.requirements,
               message_fr = changed.message_fr, message_en = changed.message_en, updated_at = now()
          FROM jsonb_populate_record(NULL::calls.scheduling_rules, $2) AS changed
         WHERE rule.id = $1
        RETURNING rule.id, rule.name, rule.position, rule.active, rule.service_type, rule.priority,
                  rule.window_label, rule.soonest, rule.latest, rule.unit, rule.can_schedule,
                  rule.requirements, rule.message_fr, rule.message_en, rule.updated_at
        """,
        rule_id,
        rule,
    )
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await conn.execute("DELETE FROM calls.scheduling_rules WHERE id = $1", rule_id)


async def list_page(
    conn: Connection, *, after: tuple[int, UUID] | None, limit: int
) -> list[Stored[SchedulingRule]]:
    """In the order in which they are tried. Of the organization of the transaction."""
    position, rule_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, service_type, priority, window_label, soonest, latest, unit,
               can_schedule, requirements, message_fr, message_en, updated_at
          FROM calls.scheduling_rules
         WHERE $1::integer IS NULL OR (position, id) > ($1, $2::uuid)
         ORDER BY position, id
         LIMIT $3
        """,
        position,
        rule_id,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[SchedulingRule]:
    rows = await conn.fetch(
        """
        SELECT name, position, active, service_type, priority, window_label, soonest, latest, unit,
               can_schedule, requirements, message_fr, message_en
          FROM calls.scheduling_rules
         WHERE org_id = $1 AND active
         ORDER BY position, id
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [_rule(dict(row)) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.scheduling_rules")
    return found


def _stored(row: Mapping[str, Any]) -> Stored[SchedulingRule]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=_rule(fields), updated_at=updated_at)


def _rule(fields: dict[str, Any]) -> SchedulingRule:
    fields["priority"] = fields["priority"] and Priority(fields["priority"])
    fields["unit"] = WindowUnit(fields["unit"])
    fields["requirements"] = tuple(fields["requirements"])
    return SchedulingRule(**fields)
