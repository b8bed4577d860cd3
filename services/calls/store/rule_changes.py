"""The record of changes to rules; append-only."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rule_changes import ChangeAction, NewRuleChange, RuleChange, RuleKind


async def append(conn: Connection, changes: Sequence[NewRuleChange], *, org_id: UUID) -> None:
    await conn.execute(
        """
        INSERT INTO calls.rule_changes (org_id, kind, action, rule_id, rule_name, changed_by, before, after)
        SELECT $1, kind, action, rule_id, rule_name, changed_by, before, after
          FROM unnest($2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[])
               AS change (kind, action, rule_id, rule_name, changed_by, before, after)
        """,
        org_id,
        [change.kind.value for change in changes],
        [change.action.value for change in changes],
        [change.rule_id for change in changes],
        [change.rule_name for change in changes],
        [change.changed_by for change in changes],
        [change.before for change in changes],
        [change.after for change in changes],
    )


async def list_page(
    conn: Connection,
    *,
    kind: str | None,
    rule_id: UUID | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[RuleChange]:
    """Newest first, before the one at `before`. Of the organization of the transaction."""
    changed_at, change_id = before or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, kind, action, rule_id, rule_name, changed_by, changed_at, before, after
          FROM calls.rule_changes
         WHERE ($1::text IS NULL OR kind = $1)
           AND ($2::uuid IS NULL OR rule_id = $2)
           AND ($3::timestamptz IS NULL OR (changed_at, id) < ($3, $4::uuid))
         ORDER BY changed_at DESC, id DESC
         LIMIT $5
        """,
        kind,
        rule_id,
        changed_at,
        change_id,
        limit,
    )
    return [
        RuleChange(**{**row, "kind": RuleKind(row["kind"]), "action": ChangeAction(row["action"])})
        for row in rows
    ]
