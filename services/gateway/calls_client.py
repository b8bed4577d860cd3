"""The calls service: it keeps the ledger and works out answers."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from callplane.calls.v2 import intake_pb2, intake_pb2_grpc
from libs.breaker import Breaker
from libs.rpc import Peer, peer_errors
from libs.rpc.convert import timestamp
from services.gateway.domain.webhooks import IncomingEvent

_INGEST_SECONDS: Final = 5.0
# Opens for moments only: the provider sends a refused webhook again, but not for long.
_BREAKER_SECONDS: Final = 0.5


class IngestClient:
    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._stub = intake_pb2_grpc.IngestServiceStub(peer.channel)
        self._breaker = Breaker("calls.ingest", failures_max=10, open_seconds=_BREAKER_SECONDS)

    async def ingest(self, events: Sequence[IncomingEvent]) -> None:
        """Returns when all of them are committed."""
        request = intake_pb2.IngestEventsRequest(events=[_to_proto(event) for event in events])
        async with self._breaker.guard():
            with peer_errors():
                metadata = self._peer.metadata()
                await self._stub.IngestEvents(request, metadata=metadata, timeout=_INGEST_SECONDS)


class AnswerClient:
    """Has a channel of its own, so that answers do not queue behind batches."""

    def __init__(self, peer: Peer, *, deadline_seconds: float) -> None:
        self._peer = peer
        self._stub = intake_pb2_grpc.AnswerServiceStub(peer.channel)
        self._deadline_seconds = deadline_seconds
        self._breaker = Breaker("calls.answer", failures_max=10, open_seconds=_BREAKER_SECONDS)

    async def answer(self, event: IncomingEvent) -> bytes:
        """The JSON body to answer with; empty if the provider expects none."""
        request = intake_pb2.AnswerEventRequest(event=_to_proto(event))
        metadata = self._peer.metadata(event.org_id)
        async with self._breaker.guard():
            with peer_errors():
                response = await self._stub.AnswerEvent(
                    request, metadata=metadata, timeout=self._deadline_seconds
                )
        return response.body.encode()


# The webhooks of a batch come from few sources.
_text: Final = lru_cache(maxsize=1024)(str)


def _to_proto(event: IncomingEvent) -> intake_pb2.IncomingEvent:
    return intake_pb2.IncomingEvent(
        source_id=_text(event.source_id),
        org_id=_text(event.org_id),
        provider=event.provider,
        body=event.body,
        received_at=timestamp(event.received_at),
        traceparent=event.traceparent,
        default_assistant_id=event.default_assistant_id,
    )
