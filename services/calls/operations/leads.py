"""Leads in the hands of people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from libs import outbox
from libs.errors import EtagMismatch, FieldViolation, InvalidArgument
from libs.pg import Connection, Pool, transaction
from services.calls import events
from services.calls.domain.customer import validated
from services.calls.domain.leads import Lead, NewLead, entered, judgement_of
from services.calls.errors import CallNotFound, LeadAlreadyOpen, LeadNotFound, LeadStatusConflict
from services.calls.operations.rule_books import RuleBooks
from services.calls.store import calls, leads

# What has a form that can be wrong.
_CHECKED: Final = ("customer_number", "customer_email", "postal_code", "service_type")


class Leads:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, rule_books: RuleBooks) -> None:
        self._pool = pool
        self._rule_books = rule_books

    async def create(self, org_id: UUID, new: NewLead) -> Lead:
        """Raises LeadAlreadyOpen, CallNotFound, and InvalidArgument for customer data that cannot be
        right."""
        new = replace(new, **_in_form({name: getattr(new, name) for name in _CHECKED}))
        async with transaction(self._pool, org_id=org_id) as conn:
            if new.call_id is not None and await calls.find(conn, call_id=new.call_id) is None:
                raise CallNotFound
            rules = await self._rule_books.of(conn, org_id)
            lead_id, now = await leads.next_id(conn)
            judgement = judgement_of(new, rules, now=now)
            lead = entered(lead_id, new, judgement, org_id=org_id, hours=rules.business_hours, now=now)
            if not await leads.insert(conn, lead):
                raise await _already_open(conn, lead)
            await outbox.append(conn, events.SCHEMA, [events.lead_created(lead)])
        return lead

    async def get(self, org_id: UUID, lead_id: UUID) -> Lead:
        async with transaction(self._pool, org_id=org_id) as conn:
            lead = await leads.find(conn, lead_id=lead_id)
        if lead is None:
            raise LeadNotFound
        return lead

    async def list(
        self,
        org_id: UUID,
        *,
        status: str | None,
        priority: str | None,
        assigned_to: str | None,
        overdue: bool,
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Lead]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await leads.list_page(
                conn,
                status=status,
                priority=priority,
                assigned_to=assigned_to,
                overdue=overdue,
                before=before,
                limit=limit,
            )

    async def update(self, org_id: UUID, lead_id: UUID, *, etag: str, changes: Mapping[str, Any]) -> Lead:
        """Changes an open lead. An empty etag stands for whatever is current."""
        checked = {name: value for name, value in changes.items() if name in _CHECKED}
        changes = {**changes, **_in_form(checked)}
        async with transaction(self._pool, org_id=org_id) as conn:
            lead = await leads.find(conn, lead_id=lead_id)
            if lead is None:
                raise LeadNotFound
            if etag and etag != str(lead.version):
                raise EtagMismatch
            if lead.status.closed:
                raise LeadStatusConflict
            if not changes:
                return lead
            changed = await leads.update(conn, lead_id=lead_id, version=lead.version, changes=changes)
            if changed is None:
                raise EtagMismatch
            said = events.lead_updated(changed, previous_priority=lead.priority)
            await outbox.append(conn, events.SCHEMA, [said])
        return changed


def _in_form(told: Mapping[str, str]) -> dict[str, Any]:
    """As the record keeps it; what is empty stays so. Raises InvalidArgument."""
    fields, notes = validated({name: value for name, value in told.items() if value})
    if notes:
        raise InvalidArgument(violations=[FieldViolation(name, note) for name, note in notes.items()])
    return fields


async def _already_open(conn: Connection, lead: Lead) -> LeadAlreadyOpen:
    open_id = await leads.find_open_id(
        conn, customer_number=lead.customer_number, service_type=lead.service_type
    )
    return LeadAlreadyOpen(metadata={"lead_id": str(open_id)} if open_id else {})
