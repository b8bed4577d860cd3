"""Switches telemetry on for a process, as the OTEL_* variables say."""

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIServer

import httpx
from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor, RequestInfo
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Span
from prometheus_client import start_http_server

from libs.environment import ConfigurationError
from libs.telemetry import logs
from libs.telemetry.tracing import ForeseenIds, QuietTracerProvider, WithoutNoise

_FLUSH_MILLISECONDS_MAX = 3000

_SAMPLERS: Mapping[str, Callable[[float], Sampler]] = {
    "always_on": lambda _: ALWAYS_ON,
    "always_off": lambda _: ALWAYS_OFF,
    "traceidratio": TraceIdRatioBased,
    "parentbased_always_on": lambda _: ParentBased(ALWAYS_ON),
    "parentbased_always_off": lambda _: ParentBased(ALWAYS_OFF),
    "parentbased_traceidratio": lambda ratio: ParentBased(TraceIdRatioBased(ratio)),
}

# OpenTelemetry's providers can be set once per process; a second service in it shares those of the first.
_tracer_provider: TracerProvider | None = None


@dataclass(slots=True)
class Telemetry:
    """What was switched on; `shutdown()` sends what is buffered and frees the metrics port."""

    metrics_port: int | None
    _metrics_server: WSGIServer | None
    _provider: TracerProvider | None

    def shutdown(self) -> None:
        if self._metrics_server is not None:
            self._metrics_server.shutdown()
            self._metrics_server.server_close()
            self._metrics_server = None
        if self._provider is not None:
            self._provider.force_flush(_FLUSH_MILLISECONDS_MAX)


def check(environ: Mapping[str, str]) -> None:
    """Raises ConfigurationError if `setup` would."""
    if not _flag(environ, "OTEL_SDK_DISABLED"):
        _sampler(environ)
        _span_exporter(environ)


def setup(service: str, environ: Mapping[str, str], *, process: str = "") -> Telemetry:
    """Logs always; metrics if `<SERVICE>_METRICS_LISTEN` names an address; traces if an OTLP endpoint is
    configured. A second process of the service has a name of its own, and `<PROCESS>_METRICS_LISTEN`.

    Reads LOG_LEVEL, INCLUDE_STACK_TRACE, OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER (otlp, console, none),
    OTEL_EXPORTER_OTLP_[TRACES_]ENDPOINT and _PROTOCOL (grpc, http/protobuf), OTEL_TRACES_SAMPLER[_ARG];
    OpenTelemetry itself reads the others (headers, certificates, batch sizes, resource attributes).
    """
    level = environ.get("LOG_LEVEL", "INFO")
    logs.configure(service, level=level, stack_traces=_flag(environ, "INCLUDE_STACK_TRACE"))
    provider = None
    if not _flag(environ, "OTEL_SDK_DISABLED"):
        provider = _provide(service, environ)
    server, port = _serve_metrics(environ.get(f"{(process or service).upper()}_METRICS_LISTEN", ""))
    return Telemetry(metrics_port=port, _metrics_server=server, _provider=provider)


def _provide(service: str, environ: Mapping[str, str]) -> TracerProvider:
    global _tracer_provider  # noqa: PLW0603  OpenTelemetry keeps it in a global, too
    if _tracer_provider is None:
        resource = Resource.create(
            {
                "service.name": service,
                "service.namespace": "callplane",
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        _tracer_provider = TracerProvider(
            resource=resource, sampler=_sampler(environ), id_generator=ForeseenIds()
        )
        exporter = _span_exporter(environ)
        if exporter is not None:
            _tracer_provider.add_span_processor(BatchSpanProcessor(exporter()))
        trace.set_tracer_provider(_tracer_provider)
        metrics.set_meter_provider(
            MeterProvider(
                resource=resource,
                metric_readers=[PrometheusMetricReader()],
                # Prometheus' text format shows none, and choosing them costs as much as counting.
                exemplar_filter=AlwaysOffExemplarFilter(),
            )
        )
        _instrument()
    return _tracer_provider


class _Queries(AsyncPGInstrumentor):
    """Finds out what a query is only if anybody records it: most belong to loops, or to traces that were not
    chosen, and finding out costs as much as sending it."""

    async def _do_execute(self, func: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if not trace.get_current_span().is_recording():
            return await func(*args, **kwargs)
        # The library says what its methods are and not what they take.
        return await super()._do_execute(func, instance, args, kwargs)  # type: ignore[no-untyped-call]


def _instrument() -> None:
    # The stable conventions. Set for good and not by default: hiding URLs relies on the attribute's name.
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http,database"
    quiet = QuietTracerProvider()
    queries = _Queries(capture_parameters=False)  # type: ignore[no-untyped-call]
    queries.instrument(tracer_provider=quiet)
    HTTPXClientInstrumentor().instrument(
        tracer_provider=quiet, request_hook=_hide_url, async_request_hook=_hide_url_async
    )


def _hide_url(span: Span, request: RequestInfo) -> None:
    """Paths and queries of outside URLs hold phone numbers and customers' tokens; the host says enough."""
    url = httpx.URL(str(request.url))
    if span.is_recording():
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}/"
        span.set_attribute("url.full", origin)


async def _hide_url_async(span: Span, request: RequestInfo) -> None:
    _hide_url(span, request)


def _sampler(environ: Mapping[str, str]) -> Sampler:
    name = environ.get("OTEL_TRACES_SAMPLER", "").lower() or "parentbased_always_on"
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "") or "1.0"
    if name not in _SAMPLERS:
        raise ConfigurationError([f"OTEL_TRACES_SAMPLER must be one of {', '.join(_SAMPLERS)}, not {name!r}"])
    try:
        return WithoutNoise(_SAMPLERS[name](float(argument)))
    except ValueError:
        raise ConfigurationError([f"OTEL_TRACES_SAMPLER_ARG must be 0 to 1, not {argument!r}"]) from None


def _span_exporter(environ: Mapping[str, str]) -> Callable[[], SpanExporter] | None:
    exact = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    general = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    name = environ.get("OTEL_TRACES_EXPORTER", "") or ("otlp" if exact or general else "none")
    if name == "none":
        return None
    if name == "console":
        return ConsoleSpanExporter
    if name != "otlp":
        raise ConfigurationError([f"OTEL_TRACES_EXPORTER must be otlp, console or none, not {name!r}"])
    protocol = (
        environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
        or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or "grpc"
    )
    if protocol == "grpc":
        return partial(GrpcSpanExporter, endpoint=exact or general or None)
    if protocol != "http/protobuf":
        raise ConfigurationError(
            [f"OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf, not {protocol!r}"]
        )
    return partial(
        HttpSpanExporter, endpoint=exact or (f"{general.rstrip('/')}/v1/traces" if general else None)
    )


def _serve_metrics(address: str) -> tuple[WSGIServer | None, int | None]:
    if not address:
        return None, None
    host, _, port = address.rpartition(":")
    server, _thread = start_http_server(int(port), addr=host or "127.0.0.1")
    return server, server.server_port


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() in ("1", "true", "yes", "on")
