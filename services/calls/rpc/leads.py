"""LeadService."""

from typing import Any, Final, TypeAlias
from uuid import UUID

import grpc.aio

from callplane.calls.v2 import calls_pb2, leads_pb2, leads_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.call import Priority
from services.calls.domain.leads import SOURCE_API, Lead, NewLead
from services.calls.operations.leads import Leads
from services.calls.rpc.places import cut, moment_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_PLAIN_FIELDS: Final = (
    "notes", "assigned_to", "customer_name", "customer_email", "address", "city", "postal_code",
    "problem_description", "estimated_value",
)  # fmt: skip
_ENTERED_TEXTS: Final = (
    "customer_number", "customer_name", "customer_email", "service_type", "address", "city", "postal_code",
    "problem_description", "notes", "assigned_to",
)  # fmt: skip
_MOMENTS: Final = ("scheduled_at", "follow_up_at")


class LeadServicer(leads_pb2_grpc.LeadServiceServicer):
    def __init__(self, leads: Leads) -> None:
        self._leads = leads

    async def CreateLead(self, request: leads_pb2.CreateLeadRequest, context: _Context) -> leads_pb2.Lead:
        priority = calls_pb2.Call.Priority.Name(request.priority) if request.priority else None
        new = NewLead(
            call_id=UUID(request.call_id) if request.call_id else None,
            priority=Priority(priority) if priority else None,
            estimated_value=request.estimated_value if request.HasField("estimated_value") else None,
            source=request.source or SOURCE_API,
            **{field: getattr(request, field) for field in _ENTERED_TEXTS},
            **_moments(request),
        )
        return _message(await self._leads.create(principal().org_id, new))

    async def GetLead(self, request: leads_pb2.GetLeadRequest, context: _Context) -> leads_pb2.Lead:
        return _message(await self._leads.get(principal().org_id, UUID(request.id)))

    async def ListLeads(
        self, request: leads_pb2.ListLeadsRequest, context: _Context
    ) -> leads_pb2.ListLeadsResponse:
        size = pages.size(request.page_size)
        found = await self._leads.list(
            principal().org_id,
            status=leads_pb2.Lead.Status.Name(request.status) if request.status else None,
            priority=calls_pb2.Call.Priority.Name(request.priority) if request.priority else None,
            assigned_to=request.assigned_to or None,
            overdue=request.overdue,
            before=moment_place(request.page_token),
            limit=size + 1,
        )
        page, token = cut(found, size=size, place=lambda lead: (lead.created_at.isoformat(), str(lead.id)))
        return leads_pb2.ListLeadsResponse(leads=[_message(lead) for lead in page], next_page_token=token)

    async def UpdateLead(self, request: leads_pb2.UpdateLeadRequest, context: _Context) -> leads_pb2.Lead:
        changes: dict[str, Any] = {
            field: getattr(request, field) for field in _PLAIN_FIELDS if request.HasField(field)
        }
        if request.HasField("status"):
            changes["status"] = leads_pb2.Lead.Status.Name(request.status)
        changes |= _moments(request)
        updated = await self._leads.update(
            principal().org_id, UUID(request.id), etag=request.etag, changes=changes
        )
        return _message(updated)


def _moments(request: leads_pb2.CreateLeadRequest | leads_pb2.UpdateLeadRequest) -> dict[str, Any]:
    return {field: convert.moment(getattr(request, field)) for field in _MOMENTS if request.HasField(field)}


def _message(lead: Lead) -> leads_pb2.Lead:
    return leads_pb2.Lead(
        id=str(lead.id),
        call_id=str(lead.call_id or ""),
        last_call_id=str(lead.last_call_id or ""),
        customer_number=lead.customer_number,
        customer_name=lead.customer_name,
        customer_email=lead.customer_email,
        service_type=lead.service_type,
        priority=calls_pb2.Call.Priority.Value(lead.priority.value),
        priority_reason=lead.priority_reason,
        sla_seconds=lead.sla_seconds,
        sla_due_at=convert.timestamp(lead.sla_due_at),
        address=lead.address,
        city=lead.city,
        postal_code=lead.postal_code,
        problem_description=lead.problem_description,
        estimated_value=lead.estimated_value,
        notes=lead.notes,
        status=leads_pb2.Lead.Status.Value(lead.status.value),
        source=lead.source,
        assigned_to=lead.assigned_to,
        scheduled_at=convert.timestamp(lead.scheduled_at),
        follow_up_at=convert.timestamp(lead.follow_up_at),
        sla_breached_at=convert.timestamp(lead.sla_breached_at),
        etag=str(lead.version),
        created_at=convert.timestamp(lead.created_at),
        updated_at=convert.timestamp(lead.updated_at),
    )
