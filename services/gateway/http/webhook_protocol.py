"""A short way for webhooks through the HTTP server, because they are nearly all of the requests.

The ordinary way makes a task, an ASGI scope, futures and messages for each request, which together cost
several times as much as its signature. Here a webhook that came whole is handed over from the parser's own
callback, and its answer is written when the ledger has spoken. The parser is the same. Whatever is not quite
ordinary (another route, method or encoding, no length, `Expect`, a second request behind the first one) takes
the ordinary way, and so does every webhook that the receiver does not want to judge.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from libs import telemetry

_log = telemetry.logger(__name__)

Headers: TypeAlias = Mapping[bytes, bytes]

# A request that is not whole after so long never will be; nor is a connection of use on which nothing comes.
_PATIENCE_SECONDS: Final = 75.0
_HEAD_BYTES_MAX: Final = 64 * 1024
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"upgrade", b"expect"})


class Wire:
    """A response as it is written, again and again: only its date changes, once a second."""

    __slots__ = ("_dated", "_headers", "_line", "_rest", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status_code
        self._line = STATUS_LINE[response.status_code]
        self._rest = _lines(response.raw_headers) + b"\r\n" + bytes(response.body)
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._dated = self._line + self._rest

    def dated(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """With the server's own headers, a new list whenever they change."""
        if headers is not self._headers:
            self._headers, self._dated = headers, self._line + _lines(headers) + self._rest
        return self._dated

    def last(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The same, on a connection that is closed after it."""
        return self._line + _lines(headers) + b"connection: close\r\n" + self._rest


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class Receiver(Protocol):
    """Takes webhooks to `prefix` + name of a source, of so many bytes at most."""

    @property
    def prefix(self) -> bytes: ...
    @property
    def body_bytes_max(self) -> int: ...

    def take(self, source: bytes, headers: Headers, body: bytes, respond: Callable[[Wire], None]) -> bool:
        """`headers` by name in lower case; none of them came twice. True if `respond` is or will be called,
        once. False sends the webhook the ordinary way."""


class WebhookProtocol(HttpToolsProtocol):
    """Made per connection, with uvicorn's arguments."""

    def __init__(self, *args: Any, receiver: Receiver, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._receiver = receiver
        self._posted: _Posted | None = None
        # Since when the other side lets us wait, for a request or the rest of one.
        self._waiting_since: float | None = None
        self._head_bytes: int | None = None

    # As uvicorn does: asyncio's own signature leaves open what kind of transport it is.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    def data_received(self, data: bytes) -> None:
        inside_head = self._head_bytes is not None
        super().data_received(data)
        if inside_head and self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        # What the ordinary way needs is made when it is taken.
        self.url = b""
        self.headers = []
        self._head_bytes = 0
        self._waiting_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        headers = dict(self.headers)
        if self._is_ordinary_webhook(headers):
            source = self.url[len(self._receiver.prefix) :]
            # It has of a request what the server looks at while one is in progress, and nothing else.
            self.cycle = self._posted = _Posted(self, source, headers)  # type: ignore[assignment]
        else:
            self._go_the_ordinary_way()

    def on_body(self, body: bytes) -> None:
        if self._posted is None:
            super().on_body(body)
        else:
            self._posted.chunks.append(body)

    def on_message_complete(self) -> None:
        self._waiting_since = None
        posted, self._posted = self._posted, None
        if posted is None:
            super().on_message_complete()
            return
        chunks = posted.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        posted.chunks = []
        if not self._taken(posted, body):
            # As if it came only now.
            posted.response_complete = True
            self._go_the_ordinary_way()
            super().on_body(body)
            super().on_message_complete()

    def _taken(self, posted: "_Posted", body: bytes) -> bool:
        try:
            return self._receiver.take(posted.source, posted.headers, body, posted.respond)
        except Exception as exc:  # noqa: BLE001  the parser would call it a bad request
            _log.error("webhook takes the ordinary way", exc_info=exc)
            return False

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._wait()

    def timeout_keep_alive_handler(self) -> None:
        """One timer per connection and not one per request: it looks again whenever it is over."""
        self.timeout_keep_alive_task = None
        if self._waiting_since is None:
            return
        left = self._waiting_since + _PATIENCE_SECONDS - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        elif not self.transport.is_closing():
            self.transport.close()

    def _unset_keepalive_if_required(self) -> None:
        """Something came; it is the whole request that counts."""

    def _wait(self) -> None:
        self._waiting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                _PATIENCE_SECONDS, self.timeout_keep_alive_handler
            )

    def _is_ordinary_webhook(self, headers: Headers) -> bool:
        if not self.url.startswith(self._receiver.prefix) or self.parser.get_method() != b"POST":
            return False
        if self._is_busy() or len(headers) < len(self.headers) or not _UNUSUAL.isdisjoint(headers):
            return False
        source = self.url[len(self._receiver.prefix) :]
        fits = 0 < int(headers.get(b"content-length", b"0")) <= self._receiver.body_bytes_max
        return fits and source.replace(b"-", b"").isalnum() and self.parser.get_http_version() == "1.1"

    def _is_busy(self) -> bool:
        """With an earlier request of this connection, or with answers that the other side does not take."""
        last: Any = self.cycle
        return self.flow.write_paused or (last is not None and not last.response_complete)

    def _go_the_ordinary_way(self) -> None:
        """As if its head were read only now."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()


class _Posted:
    """A webhook under way; to the server it looks like any other request in progress."""

    __slots__ = (
        "_protocol", "body", "chunks", "disconnected", "headers", "keep_alive", "response_complete", "source"
    )  # fmt: skip

    # The server wakes up who waits for more of a request; nobody does.
    message_event = asyncio.Event()

    def __init__(self, protocol: WebhookProtocol, source: bytes, headers: Headers) -> None:
        self._protocol = protocol
        self.source = source
        self.headers = headers
        self.chunks: list[bytes] = []
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.disconnected = False
        self.response_complete = False

    def respond(self, wire: Wire) -> None:
        protocol = self._protocol
        transport = protocol.transport
        if self.response_complete or self.disconnected or transport.is_closing():
            return
        self.response_complete = True
        headers = protocol.server_state.default_headers
        transport.write(wire.dated(headers) if self.keep_alive else wire.last(headers))
        if not self.keep_alive:
            transport.close()
        protocol.on_response_complete()
