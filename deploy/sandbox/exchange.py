"""What both provider APIs share: reading a request once, recording it, striking it with an ordered fault."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.sandbox.faults import OperationFault
from deploy.sandbox.moments import iso, milliseconds, now

if TYPE_CHECKING:
    from deploy.sandbox.sandbox import Sandbox

BODY_BYTES_MAX = 4 * 1024 * 1024
_MASKED_HEADERS = frozenset({"authorization"})


class BodyTooLarge(Exception):
    """The request body is over the limit."""


class JsonAnswer(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


async def read_body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def parsed_json(raw: bytes) -> Any:
    """The decoded body, None when there is none; raises ValueError when it is not JSON."""
    try:
        return msgspec.json.decode(raw) if raw else None
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def record_request(
    sandbox: Sandbox,
    request: Request,
    *,
    body: Any,
    answer: int | None,
    violations: Sequence[str] = (),
    fault: OperationFault | None = None,
) -> None:
    """Enters one request of the product into the journal."""
    moment = now()
    headers = {name: "***" if name in _MASKED_HEADERS else value for name, value in request.headers.items()}
    query = f"?{request.url.query}" if request.url.query else ""
    entry: dict[str, Any] = {
        "time": iso(moment),
        "ms": milliseconds(moment),
        "method": request.method,
        "path": request.url.path + query,
        "headers": headers,
        "body": body,
        "answer": answer,
    }
    if violations:
        entry["contractViolation"] = list(violations)
    if fault is not None:
        entry["fault"] = fault.mode
    sandbox.journal.append("requests", entry)


async def suffer(
    fault: OperationFault,
    request: Request,
    *,
    make: Callable[[], Awaitable[Any]],
    answer: Callable[[int], Response],
) -> Response:
    """Does what the fault says: makes the thing or not, then times out, resets, or answers an error."""
    if fault.call_made:
        await make()
    if fault.mode == "http":
        return answer(fault.status)
    if fault.mode == "timeout":
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(request.receive(), fault.hold_seconds)
        return answer(504)
    reset_connection(request)
    return Response(status_code=502)


def reset_connection(request: Request) -> None:
    """Cuts the TCP connection so that the client sees a reset, not an answer."""
    transport: asyncio.Transport | None = request.scope.get("sandbox.transport")
    if transport is None:
        return
    open_socket = transport.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class TransportInScope:
    """Outermost layer: puts uvicorn's transport into the scope, which ASGI has no word for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["sandbox.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await self._app(scope, receive, _quiet_after_reset(scope, send))


def _quiet_after_reset(scope: Scope, send: Send) -> Send:
    async def guarded(message: Message) -> None:
        transport = scope.get("sandbox.transport")
        if transport is not None and transport.is_closing():
            return
        await send(message)

    return guarded
