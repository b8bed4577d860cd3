"""A channel to another of our services."""

import asyncio
import json
import time
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

import grpc
import grpc.aio

from libs.rpc import deadlines, tracing
from libs.rpc.principals import INTERNAL, METADATA_KEY, NO_ORG, PrincipalSigner, service_principal
from libs.rpc.server import MESSAGE_BYTES_MAX

_TOKEN_SECONDS: Final = 60
_TOKENS_MAX: Final = 1000

# The one layer that retries: UNAVAILABLE only (every mutating RPC carries its own id), and less when most
# calls fail.
_SERVICE_CONFIG: Final = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}

_OPTIONS: Final[Sequence[tuple[str, Any]]] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # Each peer object has its own connection, so closing one does not touch another.
    ("grpc.use_local_subchannel_pool", 1),
    # Outside proxies are not for us.
    ("grpc.enable_http_proxy", 0),
)


class Peer:
    """`service` is the name of this process; calls carry it as their principal.

    A call without a timeout gets the default one, and none gets more than the call being served has left.
    """

    def __init__(self, address: str, *, signer: PrincipalSigner, service: str) -> None:
        self.address = address
        self.channel = grpc.aio.insecure_channel(
            address,
            options=_OPTIONS,
            interceptors=[_UnaryUnary(), _UnaryStream(), _StreamUnary(), _StreamStream()],
        )
        self._signer = signer
        self._service = service
        self._tokens: dict[tuple[UUID, frozenset[str]], tuple[str, float]] = {}

    def metadata(
        self, org_id: UUID = NO_ORG, *, scopes: Collection[str] = (INTERNAL,)
    ) -> tuple[tuple[str, str], ...]:
        """Says on whose behalf this service calls. Tokens are used for half their life."""
        key = (org_id, frozenset(scopes))
        token, fresh_until = self._tokens.get(key, ("", 0.0))
        if time.monotonic() >= fresh_until:
            if len(self._tokens) >= _TOKENS_MAX:
                self._tokens.clear()
            signed_for = service_principal(self._service, org_id=org_id, scopes=key[1])
            token = self._signer.sign(signed_for, ttl_seconds=_TOKEN_SECONDS)
            self._tokens[key] = (token, time.monotonic() + _TOKEN_SECONDS / 2)
        return ((METADATA_KEY, token),)

    async def close(self) -> None:
        await self.channel.close()


class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        method = _method(client_call_details)
        if not tracing.is_traced(method):
            return await continuation(_prepared(client_call_details, stream=False), request)
        with tracing.client_span(method) as span:
            call = await continuation(_prepared(client_call_details, stream=False), request)
            try:
                tracing.record_code(span, await call.code(), server=False)
            except asyncio.CancelledError:
                call.cancel()
                raise
            return call


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    # Streams have no span of their own on this side; the peer's span continues ours.
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(_prepared(client_call_details, stream=True), request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(_prepared(client_call_details, stream=True), request_iterator)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return await continuation(_prepared(client_call_details, stream=True), request_iterator)


def _method(details: Any) -> str:
    # The stub says str; grpc passes bytes.
    method: str | bytes = details.method
    return method.decode() if isinstance(method, bytes) else method


def _prepared(details: Any, *, stream: bool) -> grpc.aio.ClientCallDetails:
    metadata = grpc.aio.Metadata(*tuple(details.metadata or ()), *tracing.injected())
    return grpc.aio.ClientCallDetails(
        details.method,
        deadlines.for_call(details.timeout, stream=stream),
        metadata,
        details.credentials,
        details.wait_for_ready,
    )
