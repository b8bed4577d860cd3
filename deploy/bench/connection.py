"""An HTTP/1.1 connection that costs next to nothing: finished requests out, status codes back.

A general client would use more of the processor than the gateway it is meant to measure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


def request_bytes(path: str, *, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {host}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + body


def status_of(received: bytes | bytearray) -> int | None:
    """The status once the whole answer is there; answers without a length are not understood."""
    head_ends = received.find(_END_OF_HEAD)
    if head_ends < 0:
        return None
    head = bytes(received[:head_ends]).lower() + b"\r\n"
    at = head.find(_LENGTH)
    if at < 0:
        raise ConnectionError("an answer without content-length")
    begins = at + len(_LENGTH)
    length = int(head[begins : head.index(b"\r\n", begins)])
    if len(received) < head_ends + len(_END_OF_HEAD) + length:
        return None
    return int(head[9:12])


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._answer: asyncio.Future[int] | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def post(self, request: bytes) -> int:
        """The status of the answer. Raises ConnectionError if there is none."""
        if self._transport is None or not self.usable:
            raise ConnectionError("closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # TCP has no other kind; uvloop's does not inherit from it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            status = status_of(self._received)
        except (ConnectionError, ValueError) as error:
            self._settle(ConnectionError(str(error)))
            self.close()
            return
        if status is not None:
            self._received.clear()
            self._settle(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle(ConnectionError(str(exc or "closed")))

    def _settle(self, outcome: int | ConnectionError) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(outcome, int):
            self._answer.set_result(outcome)
        else:
            self._answer.set_exception(outcome)
