"""What happens around every HTTP request: a span, a measurement, and errors turned into answers."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from opentelemetry.trace import INVALID_SPAN, Span
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from libs import telemetry
from libs.errors import Kind, ServiceError
from services.gateway.errors import MethodNotAllowed
from services.gateway.http import durations, headers
from services.gateway.http.problems import to_response

Handler = Callable[[Request], Awaitable[Response]]

_log = telemetry.logger(__name__)


class Endpoint:
    """An ASGI application for one route. `route` is its template, which is all of the path that telemetry
    gets."""

    def __init__(self, route: str, handlers: Mapping[str, Handler], *, traced: bool = True) -> None:
        self._route = route
        self._handlers = dict(handlers)
        self._traced = traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        request = Request(scope, receive)
        method = scope["method"] if scope["method"] in self._handlers else "HTTP"
        with self._span(method, request) as span:
            try:
                response = await self._response(request)
            except ClientDisconnect:
                return
            span.set_attribute("http.response.status_code", response.status_code)
            await response(scope, receive, send)
        durations.record(
            time.monotonic() - started, route=self._route, method=method, status=response.status_code
        )

    async def _response(self, request: Request) -> Response:
        try:
            handler = self._handlers.get(request.method)
            if handler is None:
                raise MethodNotAllowed(metadata={"allow": ", ".join(sorted(self._handlers))})
            return await handler(request)
        except ServiceError as error:
            if error.kind in (Kind.INTERNAL, Kind.UNAVAILABLE, Kind.TIMEOUT):
                _log.warning("request not served", route=self._route, reason=error.reason)
            return to_response(error)
        except ClientDisconnect:
            raise
        except Exception as exc:  # noqa: BLE001  whatever it is, the caller is told nothing but that
            _log.error("request failed", route=self._route, exc_info=exc)
            return to_response(ServiceError())

    def _span(self, method: str, request: Request) -> AbstractContextManager[Span]:
        if not self._traced:
            return nullcontext(INVALID_SPAN)
        return telemetry.span(
            f"{method} {self._route}",
            kind=telemetry.SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": self._route},
            traceparent=headers.first(request.scope, b"traceparent"),
        )
