"""SuppressionService."""

from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.pg import Pool
from libs.rpc import pages, principal
from services.notify.domain.suppressions import Channel
from services.notify.operations import suppressions
from services.notify.rpc import convert


class SuppressionServicer(messages_pb2_grpc.SuppressionServiceServicer):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def CreateSuppression(
        self, request: messages_pb2.CreateSuppressionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.Suppression:
        name = messages_pb2.Suppression.Channel.Name(request.channel) if request.channel else "ALL"
        created = await suppressions.create_suppression(
            self._pool,
            org_id=principal().org_id,
            phone_number=request.phone_number,
            channel=Channel(name),
        )
        return convert.suppression(created)

    async def ListSuppressions(
        self, request: messages_pb2.ListSuppressionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.ListSuppressionsResponse:
        limit = pages.size(request.page_size)
        found = await suppressions.list_suppressions(
            self._pool,
            org_id=principal().org_id,
            phone_number=request.phone_number,
            before=convert.place(request.page_token),
            limit=limit,
        )
        return messages_pb2.ListSuppressionsResponse(
            suppressions=map(convert.suppression, found),
            next_page_token=convert.next_page_token(found, limit=limit),
        )

    async def DeleteSuppression(
        self, request: messages_pb2.DeleteSuppressionRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        await suppressions.delete_suppression(
            self._pool, org_id=principal().org_id, suppression_id=UUID(request.id)
        )
        return empty_pb2.Empty()
