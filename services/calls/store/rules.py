"""Rules by which calls are judged and jobs are priced."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.calls.domain.call import Priority
from services.calls.domain.rules import (
    Adjustment,
    AdjustmentKind,
    PricingRule,
    PriorityRule,
    RuleBook,
    StoredPricingRule,
    StoredPriorityRule,
)
from services.calls.errors import RuleNameTaken

_RULES_MAX = 1000


async def read_book(conn: Connection, *, org_id: UUID) -> RuleBook:
    """All active rules of an organization."""
    priority = await conn.fetch(
        """
        SELECT name, position, active, keywords, value_min, priority, reason, sla_seconds
          FROM calls.priority_rules
         WHERE org_id = $1 AND active
         ORDER BY position, id
         LIMIT $2
        """,
        org_id,
        _RULES_MAX,
    )
    pricing = await conn.fetch(
        """
        SELECT service_type, price_min, price_max, currency, active
          FROM calls.pricing_rules
         WHERE org_id = $1 AND active
         ORDER BY service_type
         LIMIT $2
        """,
        org_id,
        _RULES_MAX,
    )
    adjustments = await conn.fetch(
        """
        SELECT kind, name, amount, factor
          FROM calls.pricing_adjustments
         WHERE org_id = $1
         ORDER BY kind, name
         LIMIT $2
        """,
        org_id,
        _RULES_MAX,
    )
    refused = await conn.fetch(
        "SELECT service_type FROM calls.refused_services WHERE org_id = $1 LIMIT $2", org_id, _RULES_MAX
    )
    return RuleBook(
        priority=[_priority_rule(row) for row in priority],
        pricing=[PricingRule(**row) for row in pricing],
        adjustments=[
            Adjustment(
                kind=AdjustmentKind(row["kind"]), name=row["name"], amount=row["amount"], factor=row["factor"]
            )
            for row in adjustments
        ],
        refused_services=frozenset(row["service_type"] for row in refused),
    )


async def install(conn: Connection, pack: RuleBook, *, org_id: UUID) -> int:
    """Adds what is not there under the same name; returns how many rules that were."""
    return sum(
        [
            await _install_priority_rules(conn, pack.priority, org_id=org_id),
            await _install_pricing_rules(conn, pack.pricing, org_id=org_id),
            await _install_adjustments(conn, pack.adjustments, org_id=org_id),
            await _install_refused_services(conn, sorted(pack.refused_services), org_id=org_id),
        ]
    )


async def list_priority_rules(
    conn: Connection, *, after: tuple[int, UUID] | None, limit: int
) -> list[StoredPriorityRule]:
    """In the order in which they are tried. Of the organization of the transaction."""
    position, rule_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, keywords, value_min, priority, reason, sla_seconds, updated_at
          FROM calls.priority_rules
         WHERE $1::integer IS NULL OR (position, id) > ($1, $2::uuid)
         ORDER BY position, id
         LIMIT $3
        """,
        position,
        rule_id,
        limit,
    )
    return [_stored_priority_rule(row) for row in rows]


async def insert_priority_rule(conn: Connection, rule: PriorityRule, *, org_id: UUID) -> StoredPriorityRule:
    try:
        rows = await conn.fetch(
            """
            INSERT INTO calls.priority_rules (
                   org_id, name, position, active, keywords, value_min, priority, reason, sla_seconds)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            RETURNING id, name, position, active, keywords, value_min, priority, reason, sla_seconds,
                      updated_at
            """,
            org_id,
            rule.name,
            rule.position,
            rule.active,
            list(rule.keywords),
            rule.value_min,
            rule.priority.value,
            rule.reason,
            rule.sla_seconds,
        )
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "priority_rules_name_unique":
            raise
        raise RuleNameTaken from None
    return _stored_priority_rule(rows[0])


async def update_priority_rule(
    conn: Connection,
    *,
    rule_id: UUID,
    position: int | None,
    active: bool | None,
    keywords: Sequence[str],
    value_min: int | None,
    priority: Priority | None,
    reason: str | None,
    sla_seconds: int | None,
) -> StoredPriorityRule | None:
    """Changes what is not None (of the keywords: not empty). None if there is no such rule."""
    row = await conn.fetchrow(
        """
        UPDATE calls.priority_rules
           SET position = coalesce($2, position), active = coalesce($3, active),
               keywords = CASE WHEN cardinality($4::text[]) > 0 THEN $4 ELSE keywords END,
               value_min = coalesce($5, value_min), priority = coalesce($6, priority),
               reason = coalesce($7, reason), sla_seconds = coalesce($8, sla_seconds), updated_at = now()
         WHERE id = $1
        RETURNING id, name, position, active, keywords, value_min, priority, reason, sla_seconds, updated_at
        """,
        rule_id,
        position,
        active,
        list(keywords),
        value_min,
        priority.value if priority else None,
        reason,
        sla_seconds,
    )
    return _stored_priority_rule(row) if row else None


async def delete_priority_rule(conn: Connection, *, rule_id: UUID) -> bool:
    status: str = await conn.execute("DELETE FROM calls.priority_rules WHERE id = $1", rule_id)
    return status == "DELETE 1"


async def list_pricing_rules(conn: Connection, *, after: str | None, limit: int) -> list[StoredPricingRule]:
    """By service type. Of the organization of the transaction."""
    rows = await conn.fetch(
        """
        SELECT id, service_type, price_min, price_max, currency, active
          FROM calls.pricing_rules
         WHERE $1::text IS NULL OR service_type > $1
         ORDER BY service_type
         LIMIT $2
        """,
        after,
        limit,
    )
    return [
        StoredPricingRule(id=row["id"], rule=PricingRule(**{k: v for k, v in row.items() if k != "id"}))
        for row in rows
    ]


async def _install_priority_rules(conn: Connection, rules: Sequence[PriorityRule], *, org_id: UUID) -> int:
    status: str = await conn.execute(
        """
        INSERT INTO calls.priority_rules (
               org_id, name, position, active, keywords, value_min, priority, reason, sla_seconds)
        SELECT $1, name, position, active, keywords, value_min, priority, reason, sla_seconds
          FROM jsonb_populate_recordset(NULL::calls.priority_rules, $2)
            ON CONFLICT ON CONSTRAINT priority_rules_name_unique DO NOTHING
        """,
        org_id,
        rules,
    )
    return int(status.rsplit(" ", 1)[1])


async def _install_pricing_rules(conn: Connection, rules: Sequence[PricingRule], *, org_id: UUID) -> int:
    status: str = await conn.execute(
        """
        INSERT INTO calls.pricing_rules (org_id, service_type, price_min, price_max, currency, active)
        SELECT $1, service_type, price_min, price_max, currency, active
          FROM jsonb_populate_recordset(NULL::calls.pricing_rules, $2)
            ON CONFLICT ON CONSTRAINT pricing_rules_service_unique DO NOTHING
        """,
        org_id,
        rules,
    )
    return int(status.rsplit(" ", 1)[1])


async def _install_adjustments(conn: Connection, adjustments: Sequence[Adjustment], *, org_id: UUID) -> int:
    status: str = await conn.execute(
        """
        INSERT INTO calls.pricing_adjustments (org_id, kind, name, amount, factor)
        SELECT $1, kind, name, amount, factor
          FROM jsonb_populate_recordset(NULL::calls.pricing_adjustments, $2)
            ON CONFLICT ON CONSTRAINT pricing_adjustments_name_unique DO NOTHING
        """,
        org_id,
        adjustments,
    )
    return int(status.rsplit(" ", 1)[1])


async def _install_refused_services(conn: Connection, service_types: Sequence[str], *, org_id: UUID) -> int:
    status: str = await conn.execute(
        """
        INSERT INTO calls.refused_services (org_id, service_type)
        SELECT $1, unnest($2::text[])
            ON CONFLICT ON CONSTRAINT refused_services_type_unique DO NOTHING
        """,
        org_id,
        list(service_types),
    )
    return int(status.rsplit(" ", 1)[1])


def _stored_priority_rule(row: Mapping[str, Any]) -> StoredPriorityRule:
    return StoredPriorityRule(id=row["id"], rule=_priority_rule(row), updated_at=row["updated_at"])


def _priority_rule(row: Mapping[str, Any]) -> PriorityRule:
    return PriorityRule(
        name=row["name"],
        position=row["position"],
        active=row["active"],
        keywords=tuple(row["keywords"]),
        value_min=row["value_min"],
        priority=Priority(row["priority"]),
        reason=row["reason"],
        sla_seconds=row["sla_seconds"],
    )
