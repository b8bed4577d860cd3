"""MessageIntakeService: the message provider's webhooks, from the gateway."""

from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.pg import Pool
from services.notify.operations import intake


class MessageIntakeServicer(messages_pb2_grpc.MessageIntakeServiceServicer):
    """The organization is that of the source whose signature was right."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ReceiveMessageStatus(
        self, request: messages_pb2.ReceiveMessageStatusRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        await intake.receive_status(
            self._pool,
            org_id=UUID(request.org_id),
            provider_message_id=request.provider_message_id,
            message_id=_uuid(request.message_id),
            provider_status=request.status,
            error_code=request.error_code,
        )
        return empty_pb2.Empty()

    async def ReceiveMessage(
        self, request: messages_pb2.ReceiveMessageRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages_pb2.ReceiveMessageResponse:
        reply = await intake.receive_message(
            self._pool,
            org_id=UUID(request.org_id),
            provider_message_id=request.provider_message_id,
            # A keyword of Python is a field of the proto.
            sender=getattr(request, "from"),
            body=request.body,
        )
        return messages_pb2.ReceiveMessageResponse(reply=reply)


def _uuid(text: str) -> UUID | None:
    """Anybody can write anything into a URL; what is no id finds nothing."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
