"""Keeping and applying an organization's rules."""

from collections.abc import Sequence
from uuid import UUID

from libs.pg import Pool, transaction
from services.calls.domain.call import Priority
from services.calls.domain.pricing import Quote, quote
from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import Judgement, PriorityRule, StoredPricingRule, StoredPriorityRule, judge
from services.calls.errors import RuleNotFound, RulePackNotFound
from services.calls.operations.rule_books import RuleBooks
from services.calls.store import rules


class Rules:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, rule_books: RuleBooks) -> None:
        self._pool = pool
        self._rule_books = rule_books

    async def quote(
        self, org_id: UUID, *, service_type: str, location: str, urgent: bool, complexity: str
    ) -> Quote:
        """Raises RuleNotFound if no rule prices it."""
        async with transaction(self._pool, org_id=org_id) as conn:
            book = await self._rule_books.of(conn, org_id)
        found = quote(
            book, service_type=service_type, location=location, urgent=urgent, complexity=complexity
        )
        if found is None:
            raise RuleNotFound("No rule prices this service.")
        return found

    async def classify(self, org_id: UUID, *, description: str, estimated_value: float) -> Judgement:
        async with transaction(self._pool, org_id=org_id) as conn:
            book = await self._rule_books.of(conn, org_id)
        return judge(book, text=description, value=estimated_value)

    async def install_pack(self, org_id: UUID, name: str) -> int:
        """Returns how many rules were added."""
        pack = RULE_PACKS.get(name)
        if pack is None:
            raise RulePackNotFound
        async with transaction(self._pool, org_id=org_id) as conn:
            added = await rules.install(conn, pack, org_id=org_id)
        self._rule_books.forget(org_id)
        return added

    async def list_priority_rules(
        self, org_id: UUID, *, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[StoredPriorityRule]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await rules.list_priority_rules(conn, after=after, limit=limit)

    async def create_priority_rule(self, org_id: UUID, rule: PriorityRule) -> StoredPriorityRule:
        async with transaction(self._pool, org_id=org_id) as conn:
            created = await rules.insert_priority_rule(conn, rule, org_id=org_id)
        self._rule_books.forget(org_id)
        return created

    async def update_priority_rule(
        self,
        org_id: UUID,
        rule_id: UUID,
        *,
        position: int | None,
        active: bool | None,
        keywords: Sequence[str],
        value_min: int | None,
        priority: Priority | None,
        reason: str | None,
        sla_seconds: int | None,
    ) -> StoredPriorityRule:
        async with transaction(self._pool, org_id=org_id) as conn:
            changed = await rules.update_priority_rule(
                conn,
                rule_id=rule_id,
                position=position,
                active=active,
                keywords=keywords,
                value_min=value_min,
                priority=priority,
                reason=reason,
                sla_seconds=sla_seconds,
            )
        if changed is None:
            raise RuleNotFound
        self._rule_books.forget(org_id)
        return changed

    async def delete_priority_rule(self, org_id: UUID, rule_id: UUID) -> None:
        async with transaction(self._pool, org_id=org_id) as conn:
            deleted = await rules.delete_priority_rule(conn, rule_id=rule_id)
        if not deleted:
            raise RuleNotFound
        self._rule_books.forget(org_id)

    async def list_pricing_rules(
        self, org_id: UUID, *, after: str | None, limit: int
    ) -> Sequence[StoredPricingRule]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await rules.list_pricing_rules(conn, after=after, limit=limit)
