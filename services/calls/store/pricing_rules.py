"""Prices of kinds of service."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import PricingRule, Stored


async def insert_many(
    conn: Connection, rules: Sequence[PricingRule], *, org_id: UUID
) -> list[Stored[PricingRule]]:
    """Those of kinds that have no price yet."""
    rows = await conn.fetch(
        """
        INSERT INTO calls.pricing_rules (
               org_id, service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
               effective_until)
        SELECT $1, service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
               effective_until
          FROM jsonb_populate_recordset(NULL::calls.pricing_rules, $2)
            ON CONFLICT ON CONSTRAINT pricing_rules_service_unique DO NOTHING
        RETURNING id, service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
                  effective_until, updated_at
        """,
        org_id,
        rules,
    )
    return [_stored(row) for row in rows]


async def lock(conn: Connection, rule_id: UUID) -> Stored[PricingRule] | None:
    row = await conn.fetchrow(
        """
        SELECT id, service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
               effective_until, updated_at
          FROM calls.pricing_rules
         WHERE id = $1
           FOR UPDATE
        """,
        rule_id,
    )
    return _stored(row) if row else None


async def save(conn: Connection, rule_id: UUID, rule: PricingRule) -> Stored[PricingRule]:
    """Writes all but the kind of service of a locked rule."""
    [row] = await conn.fetch(
        """
        UPDATE calls.pricing_rules AS rule
           SET price_min = changed.price_min, price_max = changed.price_max, currency = changed.currency,
               active = changed.active, price_base = changed.price_base, unit = changed.unit,
               effective_from = changed.effective_from, effective_until = changed.effective_until,
               updated_at = now()
          FROM jsonb_populate_record(NULL::calls.pricing_rules, $2) AS changed
         WHERE rule.id = $1
        RETURNING rule.id, rule.service_type, rule.price_min, rule.price_max, rule.currency, rule.active,
                  rule.price_base, rule.unit, rule.effective_from, rule.effective_until, rule.updated_at
        """,
        rule_id,
        rule,
    )
    return _stored(row)


async def delete(conn: Connection, rule_id: UUID) -> None:
    await conn.execute("DELETE FROM calls.pricing_rules WHERE id = $1", rule_id)


async def list_page(conn: Connection, *, after: str | None, limit: int) -> list[Stored[PricingRule]]:
    """By service type. Of the organization of the transaction."""
    rows = await conn.fetch(
        """
        SELECT id, service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
               effective_until, updated_at
          FROM calls.pricing_rules
         WHERE $1::text IS NULL OR service_type > $1
         ORDER BY service_type
         LIMIT $2
        """,
        after,
        limit,
    )
    return [_stored(row) for row in rows]


async def list_active(conn: Connection, *, org_id: UUID, limit: int) -> list[PricingRule]:
    rows = await conn.fetch(
        """
        SELECT service_type, price_min, price_max, currency, active, price_base, unit, effective_from,
               effective_until
          FROM calls.pricing_rules
         WHERE org_id = $1 AND active
         ORDER BY service_type
         LIMIT $2
        """,
        org_id,
        limit,
    )
    return [PricingRule(**row) for row in rows]


async def count(conn: Connection) -> int:
    found: int = await conn.fetchval("SELECT count(*) FROM calls.pricing_rules")
    return found


def _stored(row: Mapping[str, Any]) -> Stored[PricingRule]:
    fields = dict(row)
    rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
    return Stored(id=rule_id, rule=PricingRule(**fields), updated_at=updated_at)
