"""Puts the sandbox behind one HTTP port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from deploy.sandbox import control, twilio_api, vapi_api
from deploy.sandbox.config import Config
from deploy.sandbox.exchange import JsonAnswer, TransportInScope, record_request
from deploy.sandbox.sandbox import Sandbox, opened
from deploy.sandbox.vapi_errors import VapiError

STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    sandbox: Sandbox


def build_app(sandbox: Sandbox) -> ASGIApp:
    async def not_found(request: Request, _error: Exception) -> Response:
        record_request(sandbox, request, body=None, answer=404)
        text = f"Cannot {request.method} {request.url.path.removeprefix('/vapi')}"
        return JsonAnswer(VapiError(404, text).body, status_code=404)

    routes = [*vapi_api.routes(sandbox), *twilio_api.routes(sandbox), *control.routes(sandbox)]
    return TransportInScope(Starlette(routes=routes, exception_handlers={404: not_found}))


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    """The sandbox, listening; port 0 takes a free one."""
    listener = listening_socket(config.host, config.port)
    url = f"http://{config.host}:{listener.getsockname()[1]}"
    async with opened(config, public_url=url) as sandbox:
        server = http_server(build_app(sandbox))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.wait({serving}, timeout=0.01)
                if serving.done():
                    serving.result()
                    raise RuntimeError("the HTTP server stopped at start")
            yield Running(url, sandbox)
        finally:
            server.should_exit = True
            await serving


class HttpServer(uvicorn.Server):
    """Leaves signals to whoever runs the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(app: ASGIApp) -> HttpServer:
    return HttpServer(
        uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            lifespan="off",
            loop="none",
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


def listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on accepted connections; otherwise answers wait 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(2048)
    listener.setblocking(False)
    return listener
