"""What is added to prices."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import Adjustment, AdjustmentKind, Stored


async def insert_many(
    conn: Connection, rules: Sequence[Adjustment], *, org_id: UUID
) -> list[Stored[Adjustment]]:
    """Those whose kind and name are not taken."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.pricing_adjustments (org_id, kind, name, amount, factor, active)
        SELECT $1, kind, name, amount, factor, active
          FROM jsonb_populate_recordset(NULL::calls.pricing_adjustments, $2)
            ON CONFLICT ON CONSTRAINT pricing_adjustments_name_unique DO NOTHING
        RETURNING id, kind, name, amount, factor, active, updated_at
        """,
        org_id,
        rules,
    )
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[Adjustment] | None:
    row = await conn.fetchrow(
        """
        SELECT id, kind, name, amount, factor, active, updated_at
          FROM calls.pricing_adjustments
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: Adjustment) -> Stored[Adjustment]:
    """Writes all but kind and name of a locked one."""
    [row] = await conn.fetch(
        """
        UPDATE calls.pricing_adjustments
           SET amount = $2, factor = $3, active = $4, updated_at = now()
         WHERE id = $1
        RETURNING id, kind, name, amount, factor, active, updated_at
        """,
        rule_id,
        rule.amount,
        rule.factor,
        rule.active,
    )
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await conn.execute("DELETE FROM calls.pricing_adjustments WHERE id = $1", rule_id)


async def list_page(conn: Connection, *, after: UUID | None, limit: int) -> list[Stored[Adjustment]]:
    """Oldest first. Of the organization of the transaction."""
    rows = await conn.fetch(
        """
        SELECT id, kind, name, amount, factor, active, updated_at
          FROM calls.pricing_adjustments
         WHERE $1::uuid IS NULL OR id > $1
         ORDER BY id
         LIMIT $2
        """,
        after,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[Adjustment]:
    rows = await conn.fetch(
        """
        SELECT kind, name, amount, factor, active
          FROM calls.pricing_adjustments
         WHERE org_id = $1 AND active
         ORDER BY kind, name
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [_adjustment(dict(row)) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.pricing_adjustments")
    return found


def _stored(row: Mapping[str, Any]) -> Stored[Adjustment]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=_adjustment(fields), updated_at=updated_at)


def _adjustment(fields: dict[str, Any]) -> Adjustment:
    fields["kind"] = AdjustmentKind(fields["kind"])
    return Adjustment(**fields)
