"""CallService: the record of calls, and making and ending them."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc.aio

from callplane.calls.v2 import calls_pb2, calls_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.call import Call
from services.calls.domain.call_events import CallEvent
from services.calls.domain.ended_reasons import failed_by_infrastructure
from services.calls.domain.insights import insights_of
from services.calls.domain.tools import ToolCall
from services.calls.domain.transcript import Line
from services.calls.errors import CallNotFound
from services.calls.operations.placement import Placements
from services.calls.operations.reading import Reading
from services.calls.operations.rebuilding import Rebuilding
from services.calls.rpc.documents import struct
from services.calls.rpc.placement import place_call, placement_message
from services.calls.rpc.places import cut, moment_place
from services.calls.rpc.rebuilding import rebuild_calls

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class CallServicer(calls_pb2_grpc.CallServiceServicer):
    def __init__(self, reading: Reading, placements: Placements, rebuilding: Rebuilding) -> None:
        self._reading = reading
        self._placements = placements
        self._rebuilding = rebuilding

    async def GetCall(self, request: calls_pb2.GetCallRequest, context: _Context) -> calls_pb2.Call:
        return call_message(await self._reading.get_call(principal().org_id, UUID(request.id)))

    async def ListCalls(
        self, request: calls_pb2.ListCallsRequest, context: _Context
    ) -> calls_pb2.ListCallsResponse:
        size = pages.size(request.page_size)
        found = await self._reading.list_calls(
            principal().org_id,
            status=calls_pb2.Call.Status.Name(request.status) if request.status else None,
            direction=calls_pb2.Call.Direction.Name(request.direction) if request.direction else None,
            priority=calls_pb2.Call.Priority.Name(request.priority) if request.priority else None,
            campaign_id=request.campaign_id or None,
            customer_number=request.customer_number or None,
            before=moment_place(request.page_token),
            limit=size + 1,
        )
        page, token = cut(found, size=size, place=lambda call: (call.created_at.isoformat(), str(call.id)))
        return calls_pb2.ListCallsResponse(calls=[call_message(call) for call in page], next_page_token=token)

    async def ListCallEvents(
        self, request: calls_pb2.ListCallEventsRequest, context: _Context
    ) -> calls_pb2.ListCallEventsResponse:
        size = pages.size(request.page_size)
        found = await self._reading.list_call_events(
            principal().org_id,
            UUID(request.call_id),
            after=moment_place(request.page_token),
            limit=size + 1,
        )
        page, token = cut(found, size=size, place=lambda one: (one.occurred_at.isoformat(), str(one.id)))
        return calls_pb2.ListCallEventsResponse(
            events=[_event_message(event) for event in page], next_page_token=token
        )

    async def GetTranscript(
        self, request: calls_pb2.GetTranscriptRequest, context: _Context
    ) -> calls_pb2.Transcript:
        call, lines = await self._reading.get_transcript(principal().org_id, UUID(request.call_id))
        insights = insights_of(call.analysis)
        return calls_pb2.Transcript(
            call_id=str(call.id),
            lines=[_line_message(line) for line in lines],
            summary=call.summary,
            complete=call.reported_at is not None,
            sentiment=insights.sentiment,
            key_topics=insights.key_topics,
            next_steps=insights.next_steps,
        )

    async def ListToolCalls(
        self, request: calls_pb2.ListToolCallsRequest, context: _Context
    ) -> calls_pb2.ListToolCallsResponse:
        found = await self._reading.list_tool_calls(principal().org_id, UUID(request.call_id))
        return calls_pb2.ListToolCallsResponse(
            tool_calls=[_tool_call_message(tool_call, call_id=request.call_id) for tool_call in found]
        )

    async def PlaceCall(
        self, request: calls_pb2.PlaceCallRequest, context: _Context
    ) -> calls_pb2.PlaceCallResponse:
        call_id, placement = await place_call(self._placements, request)
        response = calls_pb2.PlaceCallResponse(placement=placement_message(placement))
        try:
            call = await self._reading.get_call(principal().org_id, call_id)
        except CallNotFound:
            # Refused for want of a line: nothing was stored.
            return response
        response.call.CopyFrom(call_message(call))
        return response

    async def CancelCall(self, request: calls_pb2.CancelCallRequest, context: _Context) -> calls_pb2.Call:
        call_id = UUID(request.id)
        await self._placements.cancel(call_id, org_id=principal().org_id)
        return call_message(await self._reading.get_call(principal().org_id, call_id))

    async def RebuildCalls(
        self, request: calls_pb2.RebuildCallsRequest, context: _Context
    ) -> calls_pb2.RebuildCallsResponse:
        return await rebuild_calls(self._rebuilding, request)


def call_message(call: Call) -> calls_pb2.Call:
    message = calls_pb2.Call(
        id=str(call.id),
        provider=call.provider,
        provider_call_id=call.provider_call_id or "",
        direction=calls_pb2.Call.Direction.Value(call.direction.value),
        status=calls_pb2.Call.Status.Value(call.status.value),
        assistant_id=call.assistant_id,
        provider_assistant_id=call.provider_assistant_id,
        campaign_id=call.campaign_id,
        contact_id=call.contact_id,
        phone_number_id=call.phone_number_id,
        phone_number=call.phone_number,
        customer_number=call.customer_number,
        customer_name=call.customer_name,
        customer_email=call.customer_email,
        address=call.address,
        postal_code=call.postal_code,
        problem_description=call.problem_description,
        service_type=call.service_type,
        priority_reason=call.priority_reason,
        sla_seconds=call.sla_seconds,
        sla_due_at=convert.timestamp(call.sla_due_at),
        started_at=convert.timestamp(call.started_at),
        ended_at=convert.timestamp(call.ended_at),
        ended_reason=call.ended_reason,
        duration_seconds=call.duration_seconds,
        cost_usd=f"{call.cost_usd:.4f}" if call.cost_usd is not None else None,
        recording_url=call.recording_url,
        summary=call.summary,
        success_evaluation=call.success_evaluation,
        success_evaluation_raw=call.success_evaluation_raw,
        last_status_at=convert.timestamp(call.last_status_at),
        created_at=convert.timestamp(call.created_at),
    )
    if call.outcome is not None:
        message.outcome = calls_pb2.CallOutcome.Kind.Value(call.outcome.value)
    if call.priority is not None:
        message.priority = calls_pb2.Call.Priority.Value(call.priority.value)
    if call.placement is not None:
        message.placement = calls_pb2.Placement.Result.Value(call.placement.value)
        message.placement_infrastructure = call.placement_infrastructure or failed_by_infrastructure(
            call.status, call.ended_reason
        )
    if call.cost_breakdown is not None:
        message.cost_breakdown.CopyFrom(struct(call.cost_breakdown))
    if call.analysis is not None:
        message.analysis.CopyFrom(struct(call.analysis))
    return message


def _event_message(event: CallEvent) -> calls_pb2.CallEvent:
    message = calls_pb2.CallEvent(
        id=str(event.id),
        call_id=str(event.call_id),
        type=event.type,
        occurred_at=convert.timestamp(event.occurred_at),
        received_at=convert.timestamp(event.received_at),
        payload=struct(event.payload),
        provider_event_id=str(event.provider_event_id),
    )
    if event.status is not None:
        message.status = calls_pb2.Call.Status.Value(event.status)
    return message


def _line_message(line: Line) -> calls_pb2.TranscriptLine:
    return calls_pb2.TranscriptLine(
        role=calls_pb2.TranscriptLine.Role.Value(line.role),
        message=line.message,
        seconds_from_start=line.seconds_from_start,
        spoken_at=convert.timestamp(line.spoken_at),
        confidence=line.confidence,
        metadata=struct(line.metadata) if line.metadata else None,
    )


def _tool_call_message(tool_call: ToolCall, *, call_id: str) -> calls_pb2.ToolCall:
    return calls_pb2.ToolCall(
        id=str(tool_call.id),
        call_id=call_id,
        tool_call_id=tool_call.tool_call_id,
        name=tool_call.name,
        arguments=struct(tool_call.arguments),
        result=tool_call.result,
        status=calls_pb2.ToolCall.Status.Value(tool_call.status),
        executed_at=convert.timestamp(tool_call.executed_at),
        duration_ms=tool_call.duration_ms,
    )
