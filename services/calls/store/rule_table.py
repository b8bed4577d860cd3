"""What the tables of all kinds of rules have in common.

Names of tables and columns are part of the SQL text; they come from the modules beside this one only.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

from libs.pg import Connection
from services.calls.domain.rules import Stored

T = TypeVar("T")
# Where a page begins: the values of the columns in `order`, as a tuple if they are several.
Place = TypeVar("Place")


class RuleTable(Generic[T, Place]):
    """One kind of rule. `fixed` columns are written once, `changing` ones by every change; together they are
    the fields of the rule. `order` has columns with their types, `unique` is the constraint on names, `read`
    makes a rule of a row and may change the row."""

    def __init__(
        self,
        table: str,
        *,
        fixed: Sequence[str],
        changing: Sequence[str],
        order: Mapping[str, str],
        unique: str,
        read: Callable[[dict[str, Any]], T],
        active_order: str | None = None,
    ) -> None:
        self._read = read
        self._order = order
        columns = ", ".join((*fixed, *changing))
        stored = f"id, {columns}, updated_at"
        changes = ", ".join(f"{column} = changed.{column}" for column in changing)
        returned = ", ".join(f"rule.{column}" for column in stored.split(", "))
        sorting = ", ".join(order)
        after = ", ".join(f"${n}::{kind}" for n, kind in enumerate(order.values(), start=1))

        self._insert = f"""
            INSERT INTO calls.{table} (org_id, {columns})
            SELECT $1, {columns} FROM jsonb_populate_recordset(NULL::calls.{table}, $2)
                ON CONFLICT ON CONSTRAINT {unique} DO NOTHING
            RETURNING {stored}"""
        self._lock = f"SELECT {stored} FROM calls.{table} WHERE id = $1 FOR UPDATE"
        self._save = f"""
            UPDATE calls.{table} AS rule SET {changes}, updated_at = now()
              FROM jsonb_populate_record(NULL::calls.{table}, $2) AS changed
             WHERE rule.id = $1
            RETURNING {returned}"""
        self._delete = f"DELETE FROM calls.{table} WHERE id = $1"
        self._page = f"""
            SELECT {stored} FROM calls.{table}
             WHERE $1::{next(iter(order.values()))} IS NULL OR ({sorting}) > ({after})
             ORDER BY {sorting} LIMIT ${len(order) + 1}"""
        self._active = f"""
            SELECT {columns} FROM calls.{table} WHERE org_id = $1 AND active
             ORDER BY {active_order or sorting} LIMIT $2"""
        self._count = f"SELECT count(*) FROM calls.{table}"

    async def insert_many(self, conn: Connection, rules: Sequence[T], *, org_id: UUID) -> list[Stored[T]]:
        """Those whose name is not taken."""
        rows = await conn.fetch(self._insert, org_id, [self.written(rule) for rule in rules])
        return [self._stored(row) for row in rows]

    async def lock(self, conn: Connection, rule_id: UUID) -> Stored[T] | None:
        row = await conn.fetchrow(self._lock, rule_id)
        return self._stored(row) if row else None

    async def save(self, conn: Connection, rule_id: UUID, rule: T) -> Stored[T]:
        """Writes all of a locked rule but what is fixed."""
        [row] = await conn.fetch(self._save, rule_id, self.written(rule))
        return self._stored(row)

    async def delete(self, conn: Connection, rule_id: UUID) -> None:
        await conn.execute(self._delete, rule_id)

    async def list_page(self, conn: Connection, *, after: Place | None, limit: int) -> list[Stored[T]]:
        """Of the organization of the transaction."""
        nowhere = (None,) * len(self._order)
        place = after if isinstance(after, tuple) else nowhere if after is None else (after,)
        rows = await conn.fetch(self._page, *place, limit)
        return [self._stored(row) for row in rows]

    async def list_active(self, conn: Connection, *, org_id: UUID, limit: int) -> list[T]:
        rows = await conn.fetch(self._active, org_id, limit)
        return [self._read(dict(row)) for row in rows]

    async def count(self, conn: Connection) -> int:
        found: int = await conn.fetchval(self._count)
        return found

    def written(self, rule: T) -> object:
        """What is stored of a rule, as JSON."""
        return rule

    def _stored(self, row: Mapping[str, Any]) -> Stored[T]:
        fields = dict(row)
        rule_id, updated_at = fields.pop("id"), fields.pop("updated_at")
        return Stored(id=rule_id, rule=self._read(fields), updated_at=updated_at)
