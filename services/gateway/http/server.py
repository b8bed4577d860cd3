"""Uvicorn as one more task of the process: it has neither a loop nor signal handlers of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75
_GRACE_SECONDS: Final = 5


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The process ends when its `__main__` says so.
        yield


@asynccontextmanager
async def serving(
    app: Any, *, listen: str, protocol: Callable[..., asyncio.Protocol] = HttpToolsProtocol
) -> AsyncIterator[int]:
    """Serves on host:port until the block ends and yields the port; requests in progress may finish.
    `protocol` makes what reads a connection's bytes, from uvicorn's own arguments."""
    bound = _bound(listen)
    config = uvicorn.Config(
        app,
        # The signature asks for a class; anything that makes one instance per connection will do.
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]), name=f"http {listen}")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        if task.done():
            await task
            raise OSError(f"cannot serve on {listen}")
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        await task


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host.strip("[]"), int(port)))
    except OSError:
        bound.close()
        raise
    return bound
