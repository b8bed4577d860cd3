"""One HTTP request to Vapi: bounded in time and size, traced, counted, behind a breaker, sent once.

What went wrong is told by where it went wrong: NotSent (no byte left us) or NoAnswer (it may have been
carried out).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import msgspec
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.trace import Span

from libs import telemetry
from libs.breaker import Breaker, BreakerOpen, counts_as_failure
from libs.environment import Secret
from libs.telemetry.tracing import mark_failed

MEBIBYTE: Final = 1024 * 1024
_CONNECT_SECONDS_MAX: Final = 3.0
_CONNECTIONS_MAX: Final = 64
# Shorter than any server keeps an idle connection, so that we never write into one that is just being closed.
_KEEPALIVE_SECONDS: Final = 2.0

_duration = telemetry.meter().create_histogram(
    "callplane.provider.request.duration", unit="s", description="Requests to the voice provider, by outcome."
)

Hook = Callable[[], Awaitable[None]]


class NotSent(Exception):
    """Nothing of the request was sent."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class TooLate(NotSent):
    """The sender's own deadline had passed just before the request would have left."""

    def __init__(self) -> None:
        super().__init__("DEADLINE_PASSED")


class NoAnswer(Exception):
    """The request may have been carried out; no usable answer came."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` is None if the body is not JSON."""

    status: int
    document: Any
    retry_after_seconds: int

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`route` is the path with its ids left out, for telemetry. `may_send` is asked just before the first
    byte leaves; `on_sent` is awaited when the last one has."""

    operation: str
    method: str
    path: str
    route: str
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    seconds_max: float = 10.0
    bytes_max: int = MEBIBYTE
    repeatable: bool = True
    may_send: Callable[[], bool] | None = None
    on_sent: Hook | None = None


class VapiTransport:
    """`base_url` without the trailing slash. Two breakers: calls that cannot be placed must still be looked
    up."""

    def __init__(self, *, base_url: str, api_key: Secret) -> None:
        self._base_url = base_url.rstrip("/")
        self._client = httpx.AsyncClient(
            # Proxies of the environment would see phone numbers and the key; redirects would carry them
            # elsewhere.
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS_MAX, pool=_CONNECT_SECONDS_MAX),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, keepalive_expiry=_KEEPALIVE_SECONDS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "callplane"},
        )
        self._authorization = {"Authorization": f"Bearer {api_key.reveal()}"}
        self._breakers = {
            "create_call": Breaker("vapi.create_call", is_failure=_is_failure),
            "": Breaker("vapi", is_failure=_is_failure),
        }

    async def close(self) -> None:
        await self._client.aclose()

    def pause_seconds(self, operation: str) -> float:
        """How long this operation is not even tried, after repeated failures; 0 as a rule."""
        return self._breakers.get(operation, self._breakers[""]).wait_seconds

    def owns(self, url: str) -> bool:
        """Whether a URL that the provider gave us leads to the provider: our base URL's own origin, or
        Vapi's."""
        try:
            theirs, ours = httpx.URL(url), httpx.URL(self._base_url)
        except httpx.InvalidURL:
            return False
        same_origin = (theirs.scheme, theirs.host, theirs.port) == (ours.scheme, ours.host, ours.port)
        return same_origin or (
            theirs.scheme == "https" and theirs.host.endswith(".vapi.ai") and not theirs.userinfo
        )

    async def send(self, request: Request) -> Answer:
        """Raises NotSent, NoAnswer (also for a 5xx) or BreakerOpen; any other status is an answer."""
        breaker = self._breakers.get(request.operation, self._breakers[""])
        started, outcome = time.monotonic(), "NO_ANSWER"
        with telemetry.span(
            f"{request.method} {request.route}",
            kind=telemetry.SpanKind.CLIENT,
            attributes=_attributes(request, self._url(request)),
        ) as span:
            try:
                async with breaker.guard():
                    answer = await self._exchange(request, span)
                outcome = str(answer.status)
                if not answer.ok:
                    mark_failed(span, outcome)
                return answer
            except (NotSent, NoAnswer) as exc:
                outcome = exc.reason
                raise
            except BreakerOpen:
                outcome = "CIRCUIT_OPEN"
                raise
            finally:
                labels = {"provider": "vapi", "operation": request.operation, "outcome": outcome}
                _duration.record(time.monotonic() - started, labels)

    def _url(self, request: Request) -> httpx.URL:
        """A path is below the base URL; a whole URL (of call control) stands for itself."""
        return httpx.URL(request.path if "://" in request.path else self._base_url + request.path)

    async def _exchange(self, request: Request, span: Span) -> Answer:
        progress = _Progress(request)
        try:
            async with asyncio.timeout(request.seconds_max):
                # The instrumentation would add a second client span with our own around it.
                with suppress_http_instrumentation():
                    answer = await self._answer(request, progress)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            raise progress.failure(exc) from exc
        span.set_attribute("http.response.status_code", answer.status)
        if answer.status >= 500:
            raise NoAnswer(f"HTTP_{answer.status}")
        return answer

    async def _answer(self, request: Request, progress: "_Progress") -> Answer:
        headers = {**self._authorization, "traceparent": telemetry.current_traceparent()}
        content = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            content = msgspec.json.encode(request.body)
        outgoing = self._client.build_request(
            request.method,
            self._url(request),
            params=request.params,
            content=content,
            headers={name: value for name, value in headers.items() if value},
            extensions={"trace": progress.trace},
        )
        response = await self._client.send(outgoing, stream=True)
        try:
            body = await _read(response, bytes_max=request.bytes_max)
        finally:
            await response.aclose()
        return Answer(response.status_code, _decoded(response, body), _retry_after(response))


class _Progress:
    """Watches how far a request has come, from inside the connection."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.sending = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            # As near to the write as we can get; a pause between here and the system call remains.
            if self._request.may_send is not None and not self._request.may_send():
                raise TooLate
            self.sending = True
        elif event.endswith("receive_response_headers.started") and self._request.on_sent is not None:
            await self._request.on_sent()

    def failure(self, exc: Exception) -> NotSent | NoAnswer:
        timed_out = isinstance(exc, TimeoutError | httpx.TimeoutException)
        if not self.sending:
            return NotSent("PROVIDER_UNREACHABLE")
        return NoAnswer("TIMEOUT" if timed_out else "CONNECTION_LOST")


def _is_failure(exc: Exception) -> bool:
    return not isinstance(exc, TooLate) and counts_as_failure(exc)


def _attributes(request: Request, url: httpx.URL) -> dict[str, str | int]:
    return {
        "http.request.method": request.method,
        "url.template": request.route,
        "server.address": url.host,
        "server.port": url.port or (443 if url.scheme == "https" else 80),
        "callplane.provider": "vapi",
    }


async def _read(response: httpx.Response, *, bytes_max: int) -> bytes:
    """The body as it came over the wire; one that is compressed against our wish or too large is no
    answer."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NoAnswer("ANSWER_UNREADABLE")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > bytes_max:
            raise NoAnswer("ANSWER_TOO_LARGE")
    return bytes(body)


def _decoded(response: httpx.Response, body: bytes) -> Any:
    """None for what cannot be read; a 2xx that we needed a body of is then unknown to the caller."""
    if not body or "json" not in response.headers.get("Content-Type", "json").lower():
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def _retry_after(response: httpx.Response) -> int:
    """Seconds only; an HTTP date says little between two clocks."""
    text = response.headers.get("Retry-After", "").strip()
    return min(int(text), 3600) if text.isdecimal() else 0
