"""A small OpenTelemetry collector: takes spans by OTLP/gRPC and appends them to a file as JSON lines."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

FILE_BYTES_MAX = 64 * 1024 * 1024


class SpanFile:
    """At `bytes_max` the file becomes `<name>.1`, and the one before is forgotten."""

    def __init__(self, path: Path, *, bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max
        path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, spans: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(span, separators=(",", ":")) + "\n" for span in spans)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)
            size = file.tell()
        if size > self._bytes_max:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))


class TraceReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, file: SpanFile) -> None:
        self._file = file

    async def Export(
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        # A batch is some kilobytes: written at once, so that what was acknowledged can be read.
        self._file.append(span for resource in request.resource_spans for span in flattened(resource))
        return trace_service_pb2.ExportTraceServiceResponse()


@asynccontextmanager
async def collecting(path: Path) -> AsyncIterator[int]:
    """Collects spans into `path`; yields the port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(TraceReceiver(SpanFile(path)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(grace=0.5)


def flattened(resource: ResourceSpans) -> Iterator[dict[str, Any]]:
    service = attributes_of(resource.resource.attributes).get("service.name", "unknown")
    for scope in resource.scope_spans:
        for span in scope.spans:
            yield _as_json(span, service=str(service))


def _as_json(span: Span, *, service: str) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex(),
        "service": service,
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "startTimeUnixNano": span.start_time_unix_nano,
        "endTimeUnixNano": span.end_time_unix_nano,
        "status": {"code": span.status.code, "message": span.status.message},
        "attributes": attributes_of(span.attributes),
        "events": [
            {"name": event.name, "attributes": attributes_of(event.attributes)} for event in span.events
        ],
        "links": [{"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links],
    }


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes_of(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return None
        case kind:
            return getattr(value, kind)
