"""Reading request bodies up to a limit, whatever their Content-Length claims."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.types import Message, Receive

from services.gateway.errors import BodyTooLarge, ContentEncodingUnsupported
from services.gateway.http import headers

_DISCARD_BYTES_MAX: Final = 16 * 1024 * 1024
_DISCARD_SECONDS_MAX: Final = 2.0


def refuse_compressed(request: Request) -> None:
    """A small compressed body can be a huge one."""
    if headers.first(request.scope, b"content-encoding").strip().lower() not in ("", "identity"):
        raise ContentEncodingUnsupported


async def read(request: Request, *, limit_bytes: int) -> bytes:
    """Raises BodyTooLarge and ClientDisconnect."""
    await _check_claim(request, limit_bytes=limit_bytes)
    first = await request.receive()
    body: bytes = first.get("body", b"")
    if first["type"] == "http.request" and not first.get("more_body", False) and len(body) <= limit_bytes:
        # Nearly every body comes in one piece.
        return body
    resumed = Request(request.scope, _resumed(first, request.receive))
    return b"".join([chunk async for chunk in stream(resumed, limit_bytes=limit_bytes)])


def _resumed(first: Message, receive: Receive) -> Receive:
    taken = [first]

    async def resumed() -> Message:
        return taken.pop() if taken else await receive()

    return resumed


async def stream(request: Request, *, limit_bytes: int) -> AsyncIterator[bytes]:
    """Raises BodyTooLarge as soon as it is known."""
    await _check_claim(request, limit_bytes=limit_bytes)
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit_bytes:
            await _discard(request)
            raise BodyTooLarge(metadata={"limit_bytes": str(limit_bytes)})
        if chunk:
            yield chunk


async def _check_claim(request: Request, *, limit_bytes: int) -> None:
    """Before anything is read: who asks first whether to send gets the answer instead of `100 Continue`."""
    claimed = headers.first(request.scope, b"content-length")
    if claimed.isdecimal() and int(claimed[:20]) > limit_bytes:
        if not headers.first(request.scope, b"expect"):
            await _discard(request)
        raise BodyTooLarge(metadata={"limit_bytes": str(limit_bytes)})


async def _discard(request: Request) -> None:
    """Reads on for a moment, because a client that is still sending would not hear the answer before the
    connection is closed on it."""
    size = 0
    try:
        async with asyncio.timeout(_DISCARD_SECONDS_MAX):
            async for chunk in request.stream():
                size += len(chunk)
                if size > _DISCARD_BYTES_MAX:
                    return
    except TimeoutError:
        return
