"""What happens around every call a server takes, in this order:

    span and metrics > errors to statuses > deadline > principal and scope > validation > the servicer's
    method

One interceptor and not six, because each layer of grpc.aio costs as much as what it does here.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from typing import Any, TypeAlias

import grpc
import grpc.aio
from opentelemetry.trace import INVALID_SPAN, Span

from libs import telemetry
from libs.errors import Kind, ServiceError
from libs.rpc import deadlines, principals, tracing, validation
from libs.rpc.principals import Principal, PrincipalSigner, Unauthenticated
from libs.rpc.scopes import MissingScope, ScopeNotDeclared
from libs.rpc.status import CODES, abort

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
_Metadata: TypeAlias = Mapping[str, str | bytes]

# Infrastructure speaks to these without a principal.
_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")

_log = telemetry.logger(__name__)
_duration = telemetry.meter().create_histogram(
    "rpc.server.call.duration", unit="s", description="Time a call took, by method and status."
)


class ShuttingDown(ServiceError):
    """The server is stopping; open the stream again."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"


class ServiceInterceptor(grpc.aio.ServerInterceptor):
    """`scopes` is filled before the server starts; see `libs.rpc.scopes.declared`."""

    def __init__(self, *, signer: PrincipalSigner) -> None:
        self.scopes: Mapping[str, str] = {}
        self._signer = signer
        self._streams: set[asyncio.Timeout] = set()
        self._stopping = False

    def end_streams(self) -> None:
        """Ends open response streams with UNAVAILABLE; they would otherwise hold a shutdown up until its
        end."""
        self._stopping = True
        now = asyncio.get_running_loop().time()
        for timeout in self._streams:
            timeout.reschedule(now)

    async def intercept_service(
        self, continuation: Any, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(_OPEN):
            return handler
        metadata = dict(handler_call_details.invocation_metadata or ())
        return self._wrapped(handler, method, metadata)

    def _wrapped(self, handler: Any, method: str, metadata: _Metadata) -> Any:
        match handler.request_streaming, handler.response_streaming:
            case False, False:
                make, serve = (
                    grpc.unary_unary_rpc_method_handler,
                    self._unary(handler.unary_unary, method, metadata),
                )
            case True, False:
                make, serve = (
                    grpc.stream_unary_rpc_method_handler,
                    self._unary(handler.stream_unary, method, metadata),
                )
            case False, True:
                make, serve = (
                    grpc.unary_stream_rpc_method_handler,
                    self._stream(handler.unary_stream, method, metadata),
                )
            case _:
                make, serve = (
                    grpc.stream_stream_rpc_method_handler,
                    self._stream(handler.stream_stream, method, metadata),
                )
        return make(serve, validation.tolerant(handler.request_deserializer), handler.response_serializer)

    def _unary(self, behavior: Callable[..., Any], method: str, metadata: _Metadata) -> Callable[..., Any]:
        async def serve(request: Any, context: _Context) -> Any:
            async with self._served(method, metadata, context, stream=False):
                return await behavior(_validated(request), context)

        return serve

    def _stream(self, behavior: Callable[..., Any], method: str, metadata: _Metadata) -> Callable[..., Any]:
        async def serve(request: Any, context: _Context) -> None:
            # Writes by itself instead of yielding: a generator that grpc abandons would be closed in another
            # task.
            async with self._served(method, metadata, context, stream=True):
                responses = behavior(_validated(request), context)
                if inspect.isawaitable(responses):
                    await responses
                    return
                async with aclosing(responses):
                    async for response in responses:
                        await context.write(response)

        return serve

    @asynccontextmanager
    async def _served(
        self, method: str, metadata: _Metadata, context: _Context, *, stream: bool
    ) -> AsyncIterator[None]:
        started = time.monotonic()
        code = grpc.StatusCode.CANCELLED
        with _span(method, metadata) as span:
            try:
                async with self._limited(context, stream=stream):
                    self._admit(method, metadata, span)
                    yield
                code = grpc.StatusCode.OK
            except grpc.aio.AbortError:
                code = grpc.StatusCode.UNKNOWN
                raise
            except Exception as exc:  # noqa: BLE001  grpc would tell the caller the exception's text
                error = _as_service_error(exc, method=method)
                code = CODES[error.kind]
                await abort(context, error)
            finally:
                tracing.record_code(span, code, server=True)
                labels = {"rpc.method": method.removeprefix("/"), "rpc.response.status_code": code.name}
                _duration.record(time.monotonic() - started, labels)

    @asynccontextmanager
    async def _limited(self, context: _Context, *, stream: bool) -> AsyncIterator[None]:
        """Ends the work shortly before the caller stops waiting, so that the caller hears why."""
        deadline = deadlines.begin(context.time_remaining(), stream=stream)
        deadlines.current.set(deadline)
        timeout = asyncio.timeout_at(deadline)
        try:
            async with timeout:
                if stream:
                    self._streams.add(timeout)
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise (ShuttingDown if stream and self._stopping else deadlines.DeadlineExceeded) from None
        finally:
            self._streams.discard(timeout)

    def _admit(self, method: str, metadata: _Metadata, span: Span) -> None:
        """Fail closed: a method that declares no scope is refused whoever asks."""
        principal = self._principal(metadata)
        scope = self.scopes.get(method)
        if scope is None:
            raise ScopeNotDeclared(metadata={"method": method})
        if not principal.may(scope):
            raise MissingScope(metadata={"required_scope": scope})
        principals.current.set(principal)
        span.set_attribute("callplane.org_id", str(principal.org_id))
        telemetry.bind_call(org_id=str(principal.org_id), request_id=_text(metadata.get("x-request-id")))

    def _principal(self, metadata: _Metadata) -> Principal:
        token = _text(metadata.get(principals.METADATA_KEY))
        if not token:
            raise Unauthenticated
        return self._signer.verify(token)


def _span(method: str, metadata: _Metadata) -> AbstractContextManager[Span]:
    return tracing.server_span(method, metadata) if tracing.is_traced(method) else nullcontext(INVALID_SPAN)


def _validated(request: Any) -> Any:
    if hasattr(request, "__aiter__"):
        return _validated_stream(request)
    return validation.check(request)


async def _validated_stream(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield validation.check(request)


def _as_service_error(exc: Exception, *, method: str) -> ServiceError:
    """Only a ServiceError's words reach the caller; whatever else went wrong is for our logs."""
    if not isinstance(exc, ServiceError):
        _log.error("call failed", rpc_method=method, exc_info=exc)
        return ServiceError()
    if exc.kind is Kind.INTERNAL:
        _log.error("call failed", rpc_method=method, reason=exc.reason, exc_info=exc)
    elif exc.kind in (Kind.UNAVAILABLE, Kind.TIMEOUT) and not isinstance(exc, ShuttingDown):
        _log.warning("call not served", rpc_method=method, reason=exc.reason)
    return exc


def _text(value: str | bytes | None) -> str:
    return value if isinstance(value, str) else ""
