"""Decisions of the local stack that need no process."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from deploy.envoy.config import Address, traced_percent, traces_address
from deploy.local.child import StackError, closed_directory, tethered
from deploy.local.collector import SpanFile, flattened
from deploy.local.plan import Plan, Ports
from deploy.local.ports import chosen_port, free_port
from deploy.local.postgres import PostgresServer
from deploy.local.secret_store import SecretStore
from deploy.local.settings import ROOT, Settings
from deploy.local.stack import running_stack


def plan(folder: Path, **environ: str) -> Plan:
    settings = Settings(data_dir=folder, port=0, sandbox_port=0, environ=environ)
    secrets = SecretStore(folder / "secrets.json")
    return Plan(settings, Ports.choose(settings), secrets, PostgresServer(folder / "pg", port=5432), 4317)


def test_settings_have_the_documented_defaults() -> None:
    settings = Settings.from_env({})

    assert (ROOT / "var", 8080, 8090, True) == (
        settings.data_dir,
        settings.port,
        settings.sandbox_port,
        settings.restart,
    )
    assert not Settings.from_env({"CALLPLANE_RESTART": "0"}).restart


def test_a_wrong_port_is_refused_by_name() -> None:
    with pytest.raises(StackError, match="CALLPLANE_PORT must be a port number"):
        Settings.from_env({"CALLPLANE_PORT": "web"})


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} is taken; set CALLPLANE_PORT"):
            chosen_port(port, variable="CALLPLANE_PORT")


def test_free_ports_are_different_and_outside_the_range_of_outgoing_connections() -> None:
    ports = {free_port() for _ in range(50)}

    assert 50 == len(ports)
    assert all(20_000 <= port < 32_000 for port in ports)


def test_secrets_stay_the_same_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = SecretStore(path).ensure("PRINCIPAL_SECRET")

    assert made == SecretStore(path).ensure("PRINCIPAL_SECRET")
    assert len(made) >= 32
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_what_the_user_sets_wins_except_where_processes_find_each_other(tmp_path: Path) -> None:
    environ = plan(
        tmp_path,
        LOG_LEVEL="DEBUG",
        CALLS_ADDRESS="elsewhere:1",
        VAPI_BASE_URL="https://api.vapi.ai",
        PGHOST="x",
    ).service_environ("calls")

    assert "DEBUG" == environ["LOG_LEVEL"]
    assert "https://api.vapi.ai" == environ["VAPI_BASE_URL"]
    assert environ["CALLS_ADDRESS"] == environ["CALLS_LISTEN"]
    assert "PGHOST" not in environ


def test_a_service_gets_its_own_roles_and_no_one_elses(tmp_path: Path) -> None:
    stack = plan(tmp_path)
    environ = stack.service_environ("calls")

    assert environ["CALLS_DATABASE_URL"].startswith("postgresql://calls:")
    assert environ["CALLS_WORKER_DATABASE_URL"].startswith("postgresql://calls_worker:")
    assert {"CALLS_DATABASE_URL", "CALLS_WORKER_DATABASE_URL"} == {
        n for n in environ if n.endswith("DATABASE_URL")
    }
    assert "CALLS_OWNER_DATABASE_URL" in stack.migration_environ("calls")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, Address("collector", 4317)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector"}, Address("collector", 4317)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:5"}, Address("collector", 5)),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4317"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_SDK_DISABLED": "true"}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_TRACES_SAMPLER": "always_off"}, None),
    ],
)
def test_envoy_sends_spans_where_it_can(environ: dict[str, str], expected: Address | None) -> None:
    assert expected == traces_address(environ)


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [
        ("", "", 100.0),
        ("parentbased_always_on", "", 100.0),
        ("parentbased_always_off", "", 0.0),
        ("traceidratio", "0.25", 25.0),
        ("parentbased_traceidratio", "0.01", 1.0),
    ],
)
def test_envoy_traces_as_many_requests_as_the_services(sampler: str, argument: str, expected: float) -> None:
    environ = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument}

    assert expected == traced_percent(environ)


def test_spans_become_lines_and_the_file_is_bounded(tmp_path: Path) -> None:
    request = trace_service_pb2.ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "calls"
    span = resource.scope_spans.add().spans.add(name="fold", trace_id=b"\1" * 16, span_id=b"\2" * 8, kind=1)
    span.attributes.add(key="batch.size").value.int_value = 3
    file = SpanFile(tmp_path / "traces.jsonl", bytes_max=1000)

    for _ in range(10):
        file.append(flattened(resource))

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(sizes) < 3000
    line = json.loads((tmp_path / "traces.jsonl.1").read_text().splitlines()[0])
    assert ("01" * 16, "calls", "fold", "INTERNAL", {"batch.size": 3}) == (
        line["traceId"],
        line["service"],
        line["name"],
        line["kind"],
        line["attributes"],
    )


def test_a_closed_directory_is_named(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    closed = closed_directory(private / "below", user="nobody")

    assert closed is not None
    assert private == closed or private.is_relative_to(closed)


def test_a_tethered_program_does_not_start_for_a_parent_that_is_gone() -> None:
    command = tethered([sys.executable, "-c", "print('started')"])
    command[command.index(str(os.getpid()))] = "1"

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)

    assert (75, "") == (done.returncode, done.stdout)


async def test_a_second_stack_on_the_same_data_is_refused(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        with pytest.raises(StackError, match=r"another stack \(pid 4711\) is running"):
            async with running_stack(Settings(data_dir=tmp_path, port=0, sandbox_port=0)):
                pass


async def test_lost_secrets_of_an_existing_database_are_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")

    with pytest.raises(StackError, match=r"secrets.json is gone, and with it the passwords"):
        async with running_stack(Settings(data_dir=tmp_path, port=0, sandbox_port=0)):
            pass
