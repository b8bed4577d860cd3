"""Spans of calls, named by the semantic conventions: `callplane.calls.v2.CallService/GetCall`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import grpc
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from libs import telemetry
from libs.telemetry.tracing import mark_failed

# Kept open for minutes or called all the time; a span would tell nothing.
_UNTRACED: Final = (
    "/callplane.events.v1.EventService/Subscribe",
    "/grpc.health.",
    "/grpc.reflection.",
)

# What is the caller's fault is not an error of the server, so says the convention.
_SERVER_FAILURES: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def is_traced(method: str) -> bool:
    return not method.startswith(_UNTRACED)


@contextmanager
def server_span(method: str, metadata: Mapping[str, str | bytes]) -> Iterator[Span]:
    carrier = {key: value for key, value in metadata.items() if isinstance(value, str)}
    with telemetry.tracer().start_as_current_span(
        method.removeprefix("/"),
        context=propagate.extract(carrier, context=Context()),
        kind=SpanKind.SERVER,
        attributes=_attributes(method),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


@contextmanager
def client_span(method: str) -> Iterator[Span]:
    with telemetry.tracer().start_as_current_span(
        method.removeprefix("/"),
        kind=SpanKind.CLIENT,
        attributes=_attributes(method),
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def record_code(span: Span, code: grpc.StatusCode, *, server: bool) -> None:
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    failed = code in _SERVER_FAILURES if server else code is not grpc.StatusCode.OK
    if failed:
        mark_failed(span, code.name)


def injected() -> list[tuple[str, str]]:
    """The metadata that carries the current trace to a peer."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return list(carrier.items())


def _attributes(method: str) -> dict[str, str]:
    service, _, name = method.removeprefix("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
