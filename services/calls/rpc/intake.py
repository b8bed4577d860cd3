"""Webhooks: taking them in, answering them, showing the ledger."""

from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

import grpc.aio

from callplane.calls.v2 import intake_pb2, intake_pb2_grpc
from libs.rpc import convert, pages, principal
from services.calls.domain.webhooks import IncomingWebhook, LedgerRow
from services.calls.operations.answer import Answers
from services.calls.operations.ingest import Ingest
from services.calls.operations.reading import Reading
from services.calls.rpc.places import cut, moment_place

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class IngestServicer(intake_pb2_grpc.IngestServiceServicer):
    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def IngestEvents(
        self, request: intake_pb2.IngestEventsRequest, context: _Context
    ) -> intake_pb2.IngestEventsResponse:
        stored = await self._ingest.ingest([_webhook(event) for event in request.events])
        return intake_pb2.IngestEventsResponse(stored=stored)


class AnswerServicer(intake_pb2_grpc.AnswerServiceServicer):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def AnswerEvent(
        self, request: intake_pb2.AnswerEventRequest, context: _Context
    ) -> intake_pb2.AnswerEventResponse:
        body = await self._answers.answer(_webhook(request.event))
        return intake_pb2.AnswerEventResponse(body=body.decode())


class ProviderEventServicer(intake_pb2_grpc.ProviderEventServiceServicer):
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    async def ListProviderEvents(
        self, request: intake_pb2.ListProviderEventsRequest, context: _Context
    ) -> intake_pb2.ListProviderEventsResponse:
        size = pages.size(request.page_size)
        found = await self._reading.list_provider_events(
            principal().org_id,
            message_type=request.type or None,
            provider_call_id=request.provider_call_id or None,
            state=intake_pb2.ProviderEvent.State.Name(request.state) if request.state else None,
            before=moment_place(request.page_token),
            limit=size + 1,
        )
        page, token = cut(found, size=size, place=lambda row: (row.received_at.isoformat(), str(row.id)))
        return intake_pb2.ListProviderEventsResponse(
            provider_events=[_provider_event_message(row) for row in page], next_page_token=token
        )

    async def ReplayProviderEvents(
        self, request: intake_pb2.ReplayProviderEventsRequest, context: _Context
    ) -> intake_pb2.ReplayProviderEventsResponse:
        queued, place = await self._reading.replay(
            principal().org_id,
            ids=[UUID(one) for one in request.ids],
            since=convert.moment(request.since) if request.HasField("since") else None,
            until=convert.moment(request.until) if request.HasField("until") else None,
            message_type=request.type or None,
            unparsed_only=request.unparsed_only,
            after=moment_place(request.page_token),
        )
        token = pages.encode([place[0].isoformat(), str(place[1])]) if place else ""
        return intake_pb2.ReplayProviderEventsResponse(queued=queued, next_page_token=token)

    async def GetReplayProgress(
        self, request: intake_pb2.GetReplayProgressRequest, context: _Context
    ) -> intake_pb2.ReplayProgress:
        waiting, oldest = await self._reading.replay_progress(principal().org_id)
        return intake_pb2.ReplayProgress(waiting=waiting, oldest_requested_at=convert.timestamp(oldest))


# The webhooks of a batch come from few sources.
_uuid: Final = lru_cache(maxsize=1024)(UUID)


def _webhook(event: intake_pb2.IncomingEvent) -> IncomingWebhook:
    return IncomingWebhook(
        source_id=_uuid(event.source_id),
        org_id=_uuid(event.org_id),
        provider=event.provider,
        body=event.body,
        received_at=convert.moment(event.received_at),
        traceparent=event.traceparent,
        default_assistant_id=event.default_assistant_id,
    )


def _provider_event_message(row: LedgerRow) -> intake_pb2.ProviderEvent:
    return intake_pb2.ProviderEvent(
        id=str(row.id),
        provider=row.provider,
        source_id=str(row.source_id),
        type=row.type,
        provider_call_id=row.provider_call_id,
        call_id=str(row.call_id) if row.call_id else "",
        state=intake_pb2.ProviderEvent.State.Value(row.state),
        reason=row.reason,
        size_bytes=row.size_bytes,
        received_at=convert.timestamp(row.received_at),
    )
