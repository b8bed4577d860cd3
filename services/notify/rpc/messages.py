"""MessageService."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import grpc.aio

from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.pg import Pool
from libs.rpc import pages, principal
from services.notify.operations import messages
from services.notify.rpc import convert


class MessageServicer(messages_pb2_grpc.MessageServiceServicer):
    """`wake` starts the sender on what was just queued."""

    def __init__(self, pool: Pool, *, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._wake = wake

    async def SendMessage(
        self, request: messages_pb2.SendMessageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.Message:
        queued = await messages.send_message(
            self._pool,
            org_id=principal().org_id,
            recipient=request.to,
            body=request.body,
            idempotency_key=request.idempotency_key,
        )
        self._wake()
        return convert.message(queued)

    async def GetMessage(
        self, request: messages_pb2.GetMessageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.Message:
        found = await messages.get_message(self._pool, org_id=principal().org_id, message_id=UUID(request.id))
        return convert.message(found)

    async def ListMessages(
        self, request: messages_pb2.ListMessagesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.ListMessagesResponse:
        limit = pages.size(request.page_size)
        found = await messages.list_messages(
            self._pool,
            org_id=principal().org_id,
            status=messages_pb2.Message.Status.Name(request.status) if request.status else "",
            before=convert.place(request.page_token),
            limit=limit,
        )
        return messages_pb2.ListMessagesResponse(
            messages=map(convert.message, found), next_page_token=convert.next_page_token(found, limit=limit)
        )
