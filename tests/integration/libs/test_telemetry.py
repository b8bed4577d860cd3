"""What leaves the process: spans over OTLP, metrics for Prometheus, nothing personal."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from libs.environment import ConfigurationError
from libs.telemetry.providers import _sampler, _span_exporter
from tests.support.postgres import Database

REPOSITORY = Path(__file__).parents[3]
RPC = "callplane.events.v1.DeadEventService/ListDeadEvents"


@dataclass(slots=True)
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent, as the bytes that came."""

    requests: list[trace_service_pb2.ExportTraceServiceRequest] = field(default_factory=list)

    async def Export(self, request: Any, context: object) -> Any:
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[trace_pb2.Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }


@asynccontextmanager
async def _collecting_grpc() -> AsyncIterator[tuple[Collector, str]]:
    collector = Collector()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector, f"http://127.0.0.1:{port}"
    await server.stop(1)


@asynccontextmanager
async def _collecting_http() -> AsyncIterator[tuple[Collector, str]]:
    collector = Collector()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("post /v1/traces ")
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(await reader.readexactly(length))
        collector.requests.append(request)
        writer.write(
            f"HTTP/1.1 {HTTPStatus.OK.value} OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield collector, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _tell(database: Database, **environment: str) -> tuple[str, dict[str, Any]]:
    """Everything the program wrote, and its last line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.libs.telling",
        database.dsn("calls_worker"),
        env={"PYTHONPATH": ".:protos/gen", **environment},
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    return output, json.loads(output.splitlines()[-1])


def _words(spans: Iterable[trace_pb2.Span]) -> str:
    return "".join(str(span) for span in spans)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_spans_arrive_in_one_trace_without_personal_data(log_database: Database, protocol: str) -> None:
    collecting = _collecting_grpc if protocol == "grpc" else _collecting_http
    async with collecting() as (collector, endpoint):
        await _tell(log_database, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)

    assert collector.services == {"calls"}
    by_name = {span.name: span for span in collector.spans}
    assert {"work", RPC, "GET", "SELECT"} <= by_name.keys()
    attributes = {name: {pair.key for pair in span.attributes} for name, span in by_name.items()}
    assert {"db.system.name", "db.query.text"} <= attributes["SELECT"]
    assert {"http.request.method", "url.full"} <= attributes["GET"]
    assert not {"BEGIN", "COMMIT"} & {name.rstrip(";") for name in by_name}
    assert len({span.trace_id for span in collector.spans}) == 1
    kinds = sorted(span.kind for span in collector.spans if span.name == RPC)
    assert kinds == [trace_pb2.Span.SPAN_KIND_SERVER, trace_pb2.Span.SPAN_KIND_CLIENT]
    words = _words(collector.spans)
    for secret in ("4155551234", "secret-token", "hooks", "a query of nobody"):
        assert secret not in words


async def test_the_sampler_is_obeyed(log_database: Database) -> None:
    async with _collecting_grpc() as (collector, endpoint):
        await _tell(log_database, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_TRACES_SAMPLER="always_off")

    assert collector.spans == []


async def test_metrics_are_served_and_traces_can_be_off(log_database: Database) -> None:
    output, told = await _tell(
        log_database, CALLS_METRICS_LISTEN="127.0.0.1:0", OTEL_TRACES_EXPORTER="none", LOG_LEVEL="debug"
    )

    assert f'rpc_method="{RPC}"' in told["metrics"]
    assert 'rpc_response_status_code="OK"' in told["metrics"]
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"level"')]
    assert [line["message"] for line in lines if line["message"] == "serving"] == ["serving"]
    assert {line["service"] for line in lines} == {"calls"}
    assert "4155551234" not in output


async def test_without_any_configuration_nothing_is_sent(log_database: Database) -> None:
    _output, told = await _tell(log_database, OTEL_SDK_DISABLED="true")

    assert told == {"metrics": ""}


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    ],
)
def test_an_unknown_exporter_is_a_configuration_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        _span_exporter(environ)


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_SAMPLER": "sometimes"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
    ],
)
def test_an_unknown_sampler_is_a_configuration_error(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        _sampler(environ)
