"""Keeping an organization's rules: every change is on record with its author, and counts within seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from libs.pg import Connection, Pool, transaction
from services.calls.domain.business_hours import ALWAYS_OPEN, BusinessHours
from services.calls.domain.rule_changes import NewRuleChange, RuleChange, RuleKind
from services.calls.domain.rules import Rule, Stored
from services.calls.errors import RuleNameTaken, RuleNotFound, TooManyRules
from services.calls.operations.rule_books import RuleBooks
from services.calls.store import business_hours, rule_changes
from services.calls.store.rule_table import RuleTable
from services.calls.store.rules import RULES_MAX

T = TypeVar("T", bound=Rule)
# Where a page of this table begins.
Place = TypeVar("Place")


class RuleKeeping(Generic[T, Place]):
    """Of one kind of rule. `pool` is the request role's; `by` is who makes the change."""

    def __init__(
        self, pool: Pool, rule_books: RuleBooks, table: RuleTable[T, Place], *, kind: RuleKind
    ) -> None:
        self._pool = pool
        self._rule_books = rule_books
        self._table = table
        self._kind = kind

    async def list(self, org_id: UUID, *, after: Place | None, limit: int) -> Sequence[Stored[T]]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await self._table.list_page(conn, after=after, limit=limit)

    async def get(self, org_id: UUID, rule_id: UUID) -> Stored[T]:
        """Raises RuleNotFound."""
        async with transaction(self._pool, org_id=org_id) as conn:
            return await self._locked(conn, rule_id)

    async def create(self, org_id: UUID, rule: T, *, by: str) -> Stored[T]:
        """Raises InvalidArgument, RuleNameTaken or TooManyRules."""
        rule.check()
        async with transaction(self._pool, org_id=org_id) as conn:
            if await self._table.count(conn) >= RULES_MAX:
                raise TooManyRules(metadata={"limit": str(RULES_MAX)})
            created = await self.add(conn, [rule], org_id=org_id, by=by)
            if not created:
                raise RuleNameTaken
        self._rule_books.forget(org_id)
        return created[0]

    async def add(
        self, conn: Connection, rules: Sequence[T], *, org_id: UUID, by: str
    ) -> Sequence[Stored[T]]:
        """Those whose name is not taken, within the caller's transaction."""
        added = await self._table.insert_many(conn, rules, org_id=org_id)
        changes = [self._change(one, before=None, after=one.rule, by=by) for one in added]
        await rule_changes.append(conn, changes, org_id=org_id)
        return added

    async def update(self, org_id: UUID, rule_id: UUID, changes: Mapping[str, Any], *, by: str) -> Stored[T]:
        """`changes` are fields of the rule. Raises RuleNotFound or InvalidArgument."""
        async with transaction(self._pool, org_id=org_id) as conn:
            stored = await self._locked(conn, rule_id)
            changed = cast(T, replace(cast(Any, stored.rule), **changes))
            changed.check()
            if changed == stored.rule:
                return stored
            saved = await self._table.save(conn, rule_id, changed)
            change = self._change(stored, before=stored.rule, after=saved.rule, by=by)
            await rule_changes.append(conn, [change], org_id=org_id)
        self._rule_books.forget(org_id)
        return saved

    async def delete(self, org_id: UUID, rule_id: UUID, *, by: str) -> None:
        """Raises RuleNotFound."""
        async with transaction(self._pool, org_id=org_id) as conn:
            stored = await self._locked(conn, rule_id)
            await self._table.delete(conn, rule_id)
            change = self._change(stored, before=stored.rule, after=None, by=by)
            await rule_changes.append(conn, [change], org_id=org_id)
        self._rule_books.forget(org_id)

    async def _locked(self, conn: Connection, rule_id: UUID) -> Stored[T]:
        found = await self._table.lock(conn, rule_id)
        if found is None:
            raise RuleNotFound
        return found

    def _change(self, stored: Stored[T], *, before: T | None, after: T | None, by: str) -> NewRuleChange:
        return NewRuleChange(
            kind=self._kind,
            rule_id=stored.id,
            rule_name=stored.rule.label,
            changed_by=by,
            before=before,
            after=after,
        )


class HoursKeeping:
    """Of the one set of business hours an organization has."""

    def __init__(self, pool: Pool, rule_books: RuleBooks) -> None:
        self._pool = pool
        self._rule_books = rule_books

    async def get(self, org_id: UUID) -> tuple[BusinessHours, datetime | None]:
        """With the time of the last change, if there was any."""
        async with transaction(self._pool, org_id=org_id) as conn:
            return await business_hours.find(conn, org_id=org_id) or (ALWAYS_OPEN, None)

    async def put(self, org_id: UUID, hours: BusinessHours, *, by: str) -> tuple[BusinessHours, datetime]:
        """Raises InvalidArgument."""
        hours.check()
        async with transaction(self._pool, org_id=org_id) as conn:
            before = await business_hours.find(conn, org_id=org_id)
            updated_at = await business_hours.put(conn, hours, org_id=org_id)
            await self._record(conn, hours, org_id=org_id, before=before[0] if before else None, by=by)
        self._rule_books.forget(org_id)
        return hours, updated_at

    async def add(self, conn: Connection, hours: BusinessHours, *, org_id: UUID, by: str) -> bool:
        """Unless there are some, within the caller's transaction."""
        added = await business_hours.insert(conn, hours, org_id=org_id)
        if added:
            await self._record(conn, hours, org_id=org_id, before=None, by=by)
        return added

    async def _record(
        self, conn: Connection, hours: BusinessHours, *, org_id: UUID, before: BusinessHours | None, by: str
    ) -> None:
        change = NewRuleChange(
            kind=RuleKind.BUSINESS_HOURS,
            rule_id=org_id,
            rule_name=hours.label,
            changed_by=by,
            before=before,
            after=hours,
        )
        await rule_changes.append(conn, [change], org_id=org_id)


class RuleHistory:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list(
        self,
        org_id: UUID,
        *,
        kind: str | None,
        rule_id: UUID | None,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[RuleChange]:
        """Newest first."""
        async with transaction(self._pool, org_id=org_id) as conn:
            return await rule_changes.list_page(conn, kind=kind, rule_id=rule_id, before=before, limit=limit)
