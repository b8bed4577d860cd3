"""An HTTP/1.1 connection that costs next to nothing: finished requests out, status codes back, by callback.

A general client, or a future per request, would use more of the processor than the gateway that is to be
measured.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import cast

# What stands for the status where no answer came.
NO_ANSWER = 0
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

_CLOSING = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)


def request_bytes(path: str, *, host: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {host}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + body


def status_of(received: bytes) -> int | None:
    """The status once the whole answer is there; answers without a length are not understood."""
    head_ends = received.find(_END_OF_HEAD)
    if head_ends < 0:
        return None
    length = _LENGTH.search(received, 0, head_ends + 2)
    if length is None:
        raise ConnectionError("an answer without content-length")
    if len(received) < head_ends + len(_END_OF_HEAD) + int(length[1]):
        return None
    return int(received[9:12])


class Connection(asyncio.Protocol):
    """One request at a time. `settled` is called once for each, with the status or NO_ANSWER; after
    NO_ANSWER it is of no use any more. `lost` is called when it closes while nothing is asked."""

    def __init__(
        self, *, settled: Callable[[Connection, int], None], lost: Callable[[Connection], None]
    ) -> None:
        self.since = 0.0
        self.received = b""
        self.asking = False
        self._settled = settled
        self._lost = lost
        self._transport: asyncio.Transport | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def post(self, request: bytes, *, at: float) -> None:
        """Only while nothing is asked and the connection is usable. `at` is kept as `since`."""
        self.since = at
        self.asking = True
        self.received = b""
        cast("asyncio.Transport", self._transport).write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # TCP has no other kind; uvloop's does not inherit from it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received = self.received + data if self.received else data
        try:
            status = status_of(self.received)
        except (ConnectionError, ValueError):
            self.abort()
            return
        if status is not None and self.asking:
            self.asking = False
            if status >= 400 and _CLOSING.search(self.received) is not None:
                self.close()
            self._settled(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.asking:
            self.asking = False
            self._settled(self, NO_ANSWER)
        else:
            self._lost(self)
