"""Envoy with our configuration, before services that only record what reaches them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import grpc.aio
import uvicorn
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from callplane.calls.v2 import calls_pb2
from callplane.campaigns.v2 import campaigns_pb2
from deploy.envoy.config import Address, FrontDoor, binary, render
from deploy.local.child import end, tethered
from deploy.local.health import http_ok, until
from deploy.local.ports import free_port
from libs.pg import DatabaseUnavailable
from libs.rpc.status import abort

MEBIBYTE = 1024 * 1024
KEY = {"authorization": "Bearer vx_right"}
REFUSAL = {
    "code": 16,
    "message": "No such key.",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "UNAUTHENTICATED"}],
}
PRINCIPAL = "x-callplane-principal"


@dataclass
class Upstream:
    """What stands behind the door: `asked` holds (path, headers, body bytes) of HTTP requests."""

    asked: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    # Seconds that each of them was given.
    deadlines: list[float | None] = field(default_factory=list)
    uploaded: int = 0

    async def http(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("user-agent") != "Envoy/HC":
            self.asked.append((request.url.path, dict(request.headers), len(body)))
        return JSONResponse({"path": request.url.path})

    async def authz(self, request: Request) -> Response:
        self.checked.append(request.url.path)
        if request.headers.get("authorization") == KEY["authorization"]:
            return Response(status_code=200, headers={PRINCIPAL: "signed"})
        return JSONResponse(REFUSAL, status_code=401, headers={"www-authenticate": "Bearer"})


class Services:
    """Three methods of the public services; the others answer UNIMPLEMENTED."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def get_call(
        self, request: calls_pb2.GetCallRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> calls_pb2.Call:
        self._upstream.calls.append(("GetCall", dict(context.invocation_metadata() or ())))
        self._upstream.deadlines.append(context.time_remaining())
        if request.id == "missing":
            info = any_pb2.Any()
            info.Pack(error_details_pb2.ErrorInfo(reason="CALL_NOT_FOUND", domain="callplane"))
            refusal = status_pb2.Status(code=code_pb2.NOT_FOUND, message="No such call.", details=[info])
            await context.abort_with_status(rpc_status.to_status(refusal))
        if request.id == "away":
            await abort(context, DatabaseUnavailable())
        return calls_pb2.Call(id=request.id)

    async def list_calls(
        self, request: calls_pb2.ListCallsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> calls_pb2.ListCallsResponse:
        return calls_pb2.ListCallsResponse()

    async def import_contacts(
        self, request_iterator: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> campaigns_pb2.ImportContactsResponse:
        async for request in request_iterator:
            self._upstream.uploaded += request.ByteSize()
        return campaigns_pb2.ImportContactsResponse(accepted=1)

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        calls: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "GetCall": grpc.unary_unary_rpc_method_handler(
                self.get_call, calls_pb2.GetCallRequest.FromString, calls_pb2.Call.SerializeToString
            ),
            "ListCalls": grpc.unary_unary_rpc_method_handler(
                self.list_calls,
                calls_pb2.ListCallsRequest.FromString,
                calls_pb2.ListCallsResponse.SerializeToString,
            ),
        }
        campaigns: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "ImportContacts": grpc.stream_unary_rpc_method_handler(
                self.import_contacts,
                campaigns_pb2.ImportContactsRequest.FromString,
                campaigns_pb2.ImportContactsResponse.SerializeToString,
            )
        }
        return (
            grpc.method_handlers_generic_handler("callplane.calls.v2.CallService", calls),
            grpc.method_handlers_generic_handler("callplane.campaigns.v2.CampaignService", campaigns),
        )


@asynccontextmanager
async def grpc_upstream(upstream: Upstream) -> AsyncIterator[Address]:
    # Headers as large as the services take; by default, some of half that size are refused by chance.
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_metadata_size", 16 * 1024)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers(Services(upstream).handlers())
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Address("127.0.0.1", port)
    finally:
        await server.stop(None)


@asynccontextmanager
async def http_upstream(handler: Any) -> AsyncIterator[Address]:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/{path:path}", handler, methods=methods)])
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    )
    running = asyncio.create_task(server.serve(), name="upstream")

    async def started() -> bool:
        return server.started

    assert await until(started, within_seconds=10)
    try:
        yield Address("127.0.0.1", port)
    finally:
        server.should_exit = True
        await running


@asynccontextmanager
async def front_door(
    upstream: Upstream,
    folder: Path,
    *,
    webhooks_per_minute: int,
    trusted_hops: int = 0,
    away: Mapping[str, Address] = MappingProxyType({}),
) -> AsyncIterator[str]:
    async with (
        grpc_upstream(upstream) as services,
        http_upstream(upstream.http) as gateway,
        http_upstream(upstream.authz) as authz,
    ):
        door = FrontDoor(
            listen=Address("127.0.0.1", free_port()),
            admin=Address("127.0.0.1", free_port()),
            services=dict.fromkeys(
                ("calls", "campaigns", "notify", "gateway"), away.get("services", services)
            ),
            gateway_http=away.get("gateway_http", gateway),
            gateway_authz=away.get("gateway_authz", authz),
            webhooks_per_minute=webhooks_per_minute,
            trusted_hops=trusted_hops,
        )
        config = folder / "envoy.yaml"
        config.write_text(render(door), encoding="utf-8")
        command = [
            str(binary()),
            "-c",
            str(config),
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "warn",
        ]
        with (folder / "envoy.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                tethered(command), stdout=log, stderr=log, process_group=0
            )
        url = f"http://127.0.0.1:{door.listen.port}"
        try:
            ready = f"http://127.0.0.1:{door.admin.port}/ready"
            assert await until(http_ok(ready), within_seconds=20), (folder / "envoy.log").read_text()
            if "gateway_http" not in away:
                assert await until(http_ok(f"{url}/livez"), within_seconds=20)
            yield url
        finally:
            end(process, (signal.SIGTERM, 5.0))
