"""An organization's rules: all kinds of them, packs to begin with, and what they say about a request."""

from uuid import UUID

from libs.pg import Pool, transaction
from services.calls.domain.business_hours import Language
from services.calls.domain.pricing import Job, Quote, quote
from services.calls.domain.priority import Judgement, Request, judge
from services.calls.domain.rule_changes import RuleKind
from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import Adjustment, PricingRule, PriorityRule, SchedulingRule, ServiceRule
from services.calls.domain.transfers import TransferDestination
from services.calls.errors import RuleNotFound, RulePackNotFound
from services.calls.operations.rule_books import RuleBooks
from services.calls.operations.rule_keeping import HoursKeeping, RuleHistory, RuleKeeping
from services.calls.store.pricing_adjustments import PRICING_ADJUSTMENTS
from services.calls.store.pricing_rules import PRICING_RULES
from services.calls.store.priority_rules import PRIORITY_RULES
from services.calls.store.scheduling_rules import SCHEDULING_RULES
from services.calls.store.service_rules import SERVICE_RULES
from services.calls.store.transfer_destinations import TRANSFER_DESTINATIONS


class Rules:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, rule_books: RuleBooks) -> None:
        self._pool = pool
        self._rule_books = rule_books
        self.priority: RuleKeeping[PriorityRule, tuple[int, UUID]] = RuleKeeping(
            pool, rule_books, PRIORITY_RULES, kind=RuleKind.PRIORITY_RULE
        )
        self.pricing: RuleKeeping[PricingRule, str] = RuleKeeping(
            pool, rule_books, PRICING_RULES, kind=RuleKind.PRICING_RULE
        )
        self.adjustments: RuleKeeping[Adjustment, UUID] = RuleKeeping(
            pool, rule_books, PRICING_ADJUSTMENTS, kind=RuleKind.PRICING_ADJUSTMENT
        )
        self.services: RuleKeeping[ServiceRule, str] = RuleKeeping(
            pool, rule_books, SERVICE_RULES, kind=RuleKind.SERVICE_RULE
        )
        self.scheduling: RuleKeeping[SchedulingRule, tuple[int, UUID]] = RuleKeeping(
            pool, rule_books, SCHEDULING_RULES, kind=RuleKind.SCHEDULING_RULE
        )
        self.destinations: RuleKeeping[TransferDestination, tuple[int, UUID]] = RuleKeeping(
            pool, rule_books, TRANSFER_DESTINATIONS, kind=RuleKind.TRANSFER_DESTINATION
        )
        self.business_hours = HoursKeeping(pool, rule_books)
        self.history = RuleHistory(pool)

    async def quote(self, org_id: UUID, job: Job, *, language: Language | None) -> tuple[Quote, str]:
        """With the sentence to say, in the organization's language if none is asked for. Raises RuleNotFound
        if no rule prices it."""
        async with transaction(self._pool, org_id=org_id) as conn:
            book = await self._rule_books.of(conn, org_id)
        found = quote(book, job)
        if found is None:
            raise RuleNotFound("No rule prices this service.")
        return found, found.message(language or book.business_hours.language)

    async def classify(self, org_id: UUID, request: Request) -> Judgement:
        async with transaction(self._pool, org_id=org_id) as conn:
            book = await self._rule_books.of(conn, org_id)
        return judge(book, request)

    async def install_pack(self, org_id: UUID, name: str, *, by: str = "service:calls") -> int:
        """Returns how many rules were added."""
        pack = RULE_PACKS.get(name)
        if pack is None:
            raise RulePackNotFound
        async with transaction(self._pool, org_id=org_id) as conn:
            added = [
                *await self.priority.add(conn, pack.priority, org_id=org_id, by=by),
                *await self.pricing.add(conn, pack.pricing, org_id=org_id, by=by),
                *await self.adjustments.add(conn, pack.adjustments, org_id=org_id, by=by),
                *await self.services.add(conn, pack.services, org_id=org_id, by=by),
                *await self.scheduling.add(conn, pack.scheduling, org_id=org_id, by=by),
            ]
            await self.business_hours.add(conn, pack.business_hours, org_id=org_id, by=by)
        self._rule_books.forget(org_id)
        return len(added)
