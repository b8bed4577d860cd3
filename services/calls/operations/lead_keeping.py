"""Leads that follow from calls: opened, or brought up to date, with the call itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from libs.outbox import NewEvent
from libs.pg import Connection
from services.calls import events
from services.calls.domain.call import Call, Priority
from services.calls.domain.leads import Lead, opened, opens_lead, updated
from services.calls.errors import LeadNotFound
from services.calls.operations.rule_books import RuleBooks
from services.calls.store import calls as call_store
from services.calls.store import leads

# Organization, caller, kind of service.
_Key = tuple[UUID, str, str]


class LeadKeeping:
    def __init__(self, rule_books: RuleBooks) -> None:
        self._rule_books = rule_books

    async def keep(
        self, conn: Connection, reported: Sequence[tuple[Call, str]], *, now: datetime
    ) -> list[NewEvent]:
        """Opens and updates leads of calls that have just been reported on (with their traces), and returns
        what is to be said about that."""
        asking = [
            (call, traceparent)
            for call, traceparent in reported
            if opens_lead(call, await self._rule_books.of(conn, call.org_id))
        ]
        if not asking:
            return []
        known = await leads.lock_of_calls(conn, [call for call, _ in asking])
        book = _LeadBook(known, iter(await call_store.new_ids(conn, count=len(asking))), now=now)
        said = [event for call, traceparent in asking if (event := book.enter(call, traceparent)) is not None]
        if book.changed:
            await leads.save_many(conn, list(book.changed.values()))
        return said

    async def enter(self, conn: Connection, call: Call, *, now: datetime) -> tuple[Lead, list[NewEvent]]:
        """Opens or updates the lead of a call that is still on, and returns it with what is to be said about
        that. What is known so far makes it more urgent, never less."""
        known = await leads.lock_of_calls(conn, [call])
        book = _LeadBook(known, iter(await call_store.new_ids(conn, count=1)), now=now)
        before = book.find(call)
        if before is not None and call.priority is not None and before.priority < call.priority:
            call = replace(
                call,
                priority=before.priority,
                priority_reason=before.priority_reason,
                sla_seconds=before.sla_seconds,
                sla_due_at=before.sla_due_at,
            )
        said = book.enter(call, "")
        lead = book.find(call)
        if lead is None:
            raise LeadNotFound
        await leads.save_many(conn, list(book.changed.values()))
        return lead, [said] if said is not None else []


class _LeadBook:
    """The leads concerned, while a batch of calls is entered one after the other."""

    def __init__(self, known: Sequence[Lead], new_ids: Iterator[UUID], *, now: datetime) -> None:
        self.changed: dict[UUID, Lead] = {}
        self._leads = {lead.id: lead for lead in known}
        self._new_ids = new_ids
        self._now = now

    def find(self, call: Call) -> Lead | None:
        """The lead this call is about."""
        return self._of_call(call) or self._open().get(_key(call))

    def enter(self, call: Call, traceparent: str) -> NewEvent | None:
        lead = self.find(call)
        if lead is None:
            return self._say(opened(next(self._new_ids), call, now=self._now), None, traceparent)
        if lead.status.closed:
            # More about a call whose request is settled.
            return None
        taken = self._open().get((lead.org_id, lead.customer_number, call.service_type))
        after = updated(lead, call, retype=taken is None, now=self._now)
        return self._say(after, lead.priority, traceparent) if after is not lead else None

    def _of_call(self, call: Call) -> Lead | None:
        own = [lead for lead in self._leads.values() if call.id in (lead.call_id, lead.last_call_id)]
        return min(own, key=lambda lead: (lead.status.closed, lead.created_at, lead.id), default=None)

    def _open(self) -> dict[_Key, Lead]:
        return {
            (lead.org_id, lead.customer_number, lead.service_type): lead
            for lead in self._leads.values()
            if not lead.status.closed and lead.customer_number
        }

    def _say(self, lead: Lead, previous: Priority | None, traceparent: str) -> NewEvent:
        self._leads[lead.id] = self.changed[lead.id] = lead
        event = (
            events.lead_created(lead)
            if previous is None
            else events.lead_updated(lead, previous_priority=previous)
        )
        return replace(event, traceparent=traceparent)


def _key(call: Call) -> _Key:
    return call.org_id, call.customer_number, call.service_type
