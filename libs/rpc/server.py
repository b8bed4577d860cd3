"""A gRPC server with health, reflection and the interceptor, for as long as a block runs."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import grpc
import grpc.aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection as grpc_reflection

from libs import failpoints, telemetry
from libs.rpc.interceptor import ServiceInterceptor
from libs.rpc.principals import PrincipalSigner
from libs.rpc.scopes import declared

_log = telemetry.logger(__name__)

# A micro-batch of webhooks or an uploaded file fits; Envoy has limited each of them before.
MESSAGE_BYTES_MAX: Final = 32 * 1024 * 1024
_CONCURRENT_CALLS_MAX: Final = 1000
_GRACE_SECONDS: Final = 5.0

_OPTIONS: Final[Sequence[tuple[str, Any]]] = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", 16 * 1024),
    # Identity alone: the limit above is held against a message before it is unpacked.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # Two processes on one port would share its calls silently.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class RunningServer:
    """`port` is the one actually bound. Health starts as NOT_SERVING."""

    def __init__(self, *, port: int, health: grpc_health.aio.HealthServicer, services: Sequence[str]) -> None:
        self.port = port
        self._health = health
        self._services = services

    async def set_serving(self, serving: bool) -> None:
        status = (
            health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        for service in ("", *self._services):
            await self._health.set(service, status)


class _Registrar:
    """Stands in for the server while servicers register, to learn the services' names."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.services: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        self.services.extend(handler.service_name() for handler in handlers)
        self._server.add_generic_rpc_handlers(tuple(handlers))

    def add_registered_method_handlers(self, service_name: str, handlers: dict[str, Any]) -> None:
        self._server.add_registered_method_handlers(service_name, handlers)


@asynccontextmanager
async def serving(
    *,
    listen: str,
    service: str,
    register: Callable[[grpc.aio.Server], None],
    signer: PrincipalSigner,
    reflection: bool,
    grace_seconds: float = _GRACE_SECONDS,
) -> AsyncIterator[RunningServer]:
    """Serves on `listen` (host:port, port 0 for a free one) until the block ends, then stops gracefully:
    health says NOT_SERVING, open streams are ended, calls in progress may finish within the grace."""
    interceptor = ServiceInterceptor(signer=signer)
    server = grpc.aio.server(
        interceptors=(interceptor,), options=_OPTIONS, maximum_concurrent_rpcs=_CONCURRENT_CALLS_MAX
    )
    services = _registered(server, register)
    interceptor.scopes = declared(services)
    health = grpc_health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if reflection:
        _reflect(server, services)
    running = RunningServer(port=_bound(server, listen), health=health, services=services)
    await running.set_serving(False)
    _warn_of_unknown_failpoints()
    await server.start()
    _log.info("serving", service_name=service, port=running.port)
    try:
        yield running
    finally:
        await running.set_serving(False)
        interceptor.end_streams()
        await server.stop(grace_seconds)


def _registered(server: grpc.aio.Server, register: Callable[[grpc.aio.Server], None]) -> list[str]:
    registrar = _Registrar(server)
    register(cast(grpc.aio.Server, registrar))
    return registrar.services


def _reflect(server: grpc.aio.Server, services: Sequence[str]) -> None:
    names = [
        *services,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        grpc_reflection.SERVICE_NAME,
    ]
    grpc_reflection.enable_server_reflection(names, server)


def _bound(server: grpc.aio.Server, listen: str) -> int:
    port = server.add_insecure_port(listen)
    if port == 0:
        raise OSError(f"cannot listen on {listen}")
    return port


def _warn_of_unknown_failpoints() -> None:
    """Only warns: several services may share one FAILPOINTS, and each knows its own names."""
    unknown = failpoints.unknown()
    if unknown:
        _log.warning("failpoints not known here", names=sorted(unknown))
