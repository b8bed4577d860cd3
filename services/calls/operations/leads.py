"""Leads in the hands of people."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs import outbox
from libs.errors import EtagMismatch
from libs.pg import Pool, transaction
from services.calls import events
from services.calls.domain.leads import Lead
from services.calls.errors import LeadNotFound, LeadStatusConflict
from services.calls.store import leads


class Leads:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

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
        before: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[Lead]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await leads.list_page(conn, status=status, priority=priority, before=before, limit=limit)

    async def update(self, org_id: UUID, lead_id: UUID, *, etag: str, changes: Mapping[str, Any]) -> Lead:
        """Changes an open lead. An empty etag stands for whatever is current."""
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
