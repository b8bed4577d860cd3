"""Which kinds of service are taken on.

The release before this one reads `refused_services` instead; what is refused is written there as well.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import ServiceRule, Stored, Verdict
from services.calls.store.rule_table import RuleTable


def _rule(fields: dict[str, Any]) -> ServiceRule:
    fields["verdict"] = Verdict(fields["verdict"])
    return ServiceRule(**fields)


class _ServiceRules(RuleTable[ServiceRule, str]):
    async def insert_many(
        self, conn: Connection, rules: Sequence[ServiceRule], *, org_id: UUID
    ) -> list[Stored[ServiceRule]]:
        added = await super().insert_many(conn, rules, org_id=org_id)
        await _copy_refused(conn, [one.id for one in added])
        return added

    async def save(self, conn: Connection, rule_id: UUID, rule: ServiceRule) -> Stored[ServiceRule]:
        saved = await super().save(conn, rule_id, rule)
        await _forget_refused(conn, rule_id)
        await _copy_refused(conn, [rule_id])
        return saved

    async def delete(self, conn: Connection, rule_id: UUID) -> None:
        await _forget_refused(conn, rule_id)
        await super().delete(conn, rule_id)

    async def list_active(self, conn: Connection, *, org_id: UUID, limit: int) -> list[ServiceRule]:
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


SERVICE_RULES = _ServiceRules(
    "service_rules",
    fixed=("service_type",),
    changing=("verdict", "message_fr", "message_en", "active"),
    order={"service_type": "text"},
    unique="service_rules_type_unique",
    read=_rule,
)


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
