"""The notify service: it sent the text messages and gets those that people send."""

from collections.abc import Awaitable
from typing import Final, TypeVar

from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.breaker import Breaker
from libs.rpc import Peer, peer_errors
from services.gateway.domain.webhooks import MessageStatus, TextMessage

T = TypeVar("T")

_SECONDS: Final = 5.0
_BREAKER_SECONDS: Final = 1.0


class NotifyClient:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._stub = messages_pb2_grpc.MessageIntakeServiceStub(peer.channel)
        self._breaker = Breaker("notify.intake", failures_max=10, open_seconds=_BREAKER_SECONDS)

    async def receive_status(self, status: MessageStatus) -> None:
        request = messages_pb2.ReceiveMessageStatusRequest(
            org_id=str(status.org_id),
            provider_message_id=status.provider_message_id,
            status=status.status,
            error_code=status.error_code,
            traceparent=status.traceparent,
            message_id=status.message_id,
        )
        metadata = self._peer.metadata(status.org_id)
        await self._guarded(self._stub.ReceiveMessageStatus(request, metadata=metadata, timeout=_SECONDS))

    async def receive_message(self, message: TextMessage) -> str:
        """Text to answer the sender with; empty for none."""
        request = messages_pb2.ReceiveMessageRequest(
            org_id=str(message.org_id),
            provider_message_id=message.provider_message_id,
            to=message.recipient,
            body=message.body,
            # A keyword of Python is a field of the proto.
            **{"from": message.sender},
        )
        metadata = self._peer.metadata(message.org_id)
        response = await self._guarded(
            self._stub.ReceiveMessage(request, metadata=metadata, timeout=_SECONDS)
        )
        return response.reply

    async def _guarded(self, call: Awaitable[T]) -> T:
        async with self._breaker.guard():
            with peer_errors():
                return await call
