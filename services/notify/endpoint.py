"""Requests to customers' endpoints, and the wall between those and our own network.

A host name is resolved once per connection, every address is checked, and a checked one is dialed: a name
that changes its mind in between changes nothing. No redirects, no proxies, no cookies, no decompression.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias

import httpcore

from services.notify.domain.addresses import is_refused
from services.notify.domain.urls import Destination, destination
from services.notify.domain.webhooks import RESPONSE_CHARACTERS_MAX, AttemptError, PostResult, error_of
from services.notify.errors import WebhookUrlRefused

CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 15.0
_RESPONSE_BYTES_MAX: Final = 64 * 1024
_CHECK_SECONDS: Final = 2.0
_RESOLVER_THREADS: Final = 16
_USER_AGENT: Final = "Callplane-Webhooks/1.0"

# Host and port to addresses; raises OSError if there are none.
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


class AddressRefused(Exception):
    """Every address of the host is one that must not be called."""


class NameNotFound(Exception):
    """The host name has no address."""


_ERRORS: Final[Mapping[type[Exception], AttemptError]] = {
    WebhookUrlRefused: AttemptError.ADDRESS_REFUSED,
    AddressRefused: AttemptError.ADDRESS_REFUSED,
    NameNotFound: AttemptError.NAME_NOT_FOUND,
    TimeoutError: AttemptError.TIMEOUT,
    httpcore.TimeoutException: AttemptError.TIMEOUT,
    httpcore.NetworkError: AttemptError.CONNECTION_FAILED,
    httpcore.ProtocolError: AttemptError.PROTOCOL_ERROR,
}


class Resolver:
    """The system's resolver, in threads of its own: names that take long do not hold up anything else."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._executor, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


class EndpointClient:
    """`allow_loopback` is for stacks on one machine; see `domain.urls`."""

    def __init__(
        self,
        *,
        allow_loopback: bool,
        resolve: Resolve | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        request_seconds: float = REQUEST_SECONDS,
    ) -> None:
        self._allow_loopback = allow_loopback
        self._resolver = Resolver()
        self._resolve = resolve or self._resolver
        self._request_seconds = request_seconds
        self._pool = httpcore.AsyncConnectionPool(
            # Made once: each one reads all root certificates.
            ssl_context=httpcore.default_ssl_context(),
            max_connections=500,
            max_keepalive_connections=100,
            keepalive_expiry=10.0,
            network_backend=_VettedBackend(self.vetted, connect_seconds=connect_seconds),
        )

    async def close(self) -> None:
        await self._pool.aclose()
        self._resolver.close()

    async def check(self, url: str) -> None:
        """Raises WebhookUrlRefused for a URL that may not be called, as far as can be told now. A name that
        is not known yet is fine: it is judged again at every connection."""
        target = destination(url, allow_loopback=self._allow_loopback)
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await self.vetted(target.host, target.port)
        except AddressRefused:
            raise WebhookUrlRefused("leads to an address that is not public") from None
        except (NameNotFound, TimeoutError):
            pass

    async def post(self, url: str, *, headers: Mapping[str, str], body: str) -> PostResult:
        """One request; never raises for what the endpoint or the network does."""
        started = time.monotonic()
        try:
            target = destination(url, allow_loopback=self._allow_loopback)
            async with asyncio.timeout(self._request_seconds):
                status_code, answered, content = await self._exchange(target, headers=headers, body=body)
        except Exception as exc:
            error = _error_of(exc)
            if error is None:
                raise
            return PostResult(status_code=0, error=error, response_body="", duration_ms=_since(started))
        return PostResult(
            status_code=status_code,
            error=error_of(status_code),
            response_body=content.decode("utf-8", "replace").replace("\x00", "")[:RESPONSE_CHARACTERS_MAX],
            duration_ms=_since(started),
            retry_after_seconds=_retry_after(answered) if status_code in (429, 503) else 0.0,
        )

    async def vetted(self, host: str, port: int) -> list[str]:
        """The addresses of a host that may be called. Raises AddressRefused or NameNotFound."""
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NameNotFound from None
        if not addresses:
            raise NameNotFound
        allowed = [one for one in addresses if not is_refused(one, allow_loopback=self._allow_loopback)]
        if not allowed:
            raise AddressRefused
        return allowed

    async def _exchange(
        self, target: Destination, *, headers: Mapping[str, str], body: str
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {
            "host": target.host_header,
            "user-agent": _USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "identity",
            "content-type": "application/json",
            **headers,
        }
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.target.encode(),
        )
        # All limits but the connection's are the caller's one deadline.
        async with self._pool.stream(
            "POST",
            url,
            headers=[(name.encode(), value.encode()) for name, value in sent.items()],
            content=body.encode(),
        ) as response:
            content = b""
            async for chunk in response.aiter_stream():
                content += chunk
                if len(content) >= _RESPONSE_BYTES_MAX:
                    break
        answered = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        return response.status, answered, content


class _VettedBackend(httpcore.AsyncNetworkBackend):
    """Dials vetted addresses only. TLS and the Host header still go by the name."""

    def __init__(self, vetted: Callable[[str, int], Awaitable[list[str]]], *, connect_seconds: float) -> None:
        self._vetted = vetted
        self._connect_seconds = connect_seconds
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(self._connect_seconds):
                return await self._connected(await self._vetted(host, port), port)
        except TimeoutError:
            raise httpcore.ConnectTimeout from None

    async def _connected(self, addresses: Sequence[str], port: int) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError()
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port)
            except httpcore.ConnectError as exc:
                failure = exc
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


def _error_of(exc: Exception) -> AttemptError | None:
    """None for what is our own mistake."""
    if isinstance(exc, httpcore.ConnectError) and any(isinstance(one, ssl.SSLError) for one in _chain(exc)):
        return AttemptError.TLS_FAILED
    return next((error for kind, error in _ERRORS.items() if isinstance(exc, kind)), None)


def _chain(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and what led to it; libraries wrap more than once."""
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds, or a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
