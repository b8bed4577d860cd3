"""The local stack as a whole: started, looked at from outside, broken, stopped, started again on its data."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from callplane.options.v1 import options_pb2
from deploy.envoy.config import DESCRIPTOR_SET, public_services
from deploy.local.plan import LINES
from deploy.local.settings import ROOT, Settings
from deploy.local.stack import RunningStack, running_stack
from tests.support.waiting import eventually

INTERNAL = ("/callplane.calls.v2.IngestService/IngestEvents", "/callplane.events.v1.EventService/Subscribe")
PROCESSES = {"calls", "campaigns", "notify", "gateway", "envoy", "postgres", "sandbox"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


def settings(data_dir: Path) -> Settings:
    environ = {"PATH": os.environ["PATH"], "HOME": str(data_dir)}
    return Settings(data_dir=data_dir, port=0, sandbox_port=0, environ=environ)


@pytest.fixture(scope="module")
async def stack(data_dir: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(settings(data_dir)) as running:
        yield running


@pytest.fixture
async def http(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack["public_url"], timeout=10, trust_env=False) as client:
        yield client


def public_methods() -> Iterator[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
    """(gRPC path, method) of everything customers may call."""
    public = {service.name for service in public_services()}
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    for file in files.file:
        for service in file.service:
            if f"{file.package}.{service.name}" in public:
                yield from (
                    (f"/{file.package}.{service.name}/{method.name}", method)
                    for method in service.method
                    if method.options.Extensions[options_pb2.required_scope] != "internal"
                )


def rest_paths() -> Iterator[tuple[str, str]]:
    """(HTTP method, path) of every public RPC that has one."""
    for _, method in public_methods():
        rule = method.options.Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        if verb:
            path = re.sub(r"\{[^}]+\}", "0190b0a4-5c6e-7d0f-9c52-3c6b9c9c9c9c", getattr(rule, verb))
            yield verb.upper(), path


async def test_every_public_rpc_is_401_without_a_key(http: httpx.AsyncClient) -> None:
    asked = list(rest_paths())
    answers = [await http.request(verb, path, json=None if verb == "GET" else {}) for verb, path in asked]

    assert len(asked) > 40
    wrong = [(pair, a.status_code) for pair, a in zip(asked, answers, strict=True) if a.status_code != 401]
    assert [] == wrong
    assert {16} == {answer.json()["code"] for answer in answers}


async def test_every_public_rpc_is_unauthenticated_without_a_key_by_native_grpc(stack: RunningStack) -> None:
    codes = set()
    async with grpc.aio.insecure_channel(stack["public_url"].removeprefix("http://")) as channel:
        for path, _ in public_methods():
            call: Any = channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", timeout=5, metadata=(("x-callplane-principal", "forged"),))
            codes.add(refused.value.code())

    assert {grpc.StatusCode.UNAUTHENTICATED} == codes


async def test_internal_rpcs_have_no_door(stack: RunningStack) -> None:
    metadata = (("authorization", f"Bearer {stack['api_key']}"),)
    async with grpc.aio.insecure_channel(stack["public_url"].removeprefix("http://")) as channel:
        for path in (
            "/callplane.calls.v2.IngestService/IngestEvents",
            "/callplane.events.v1.EventService/Subscribe",
        ):
            call: Any = channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", timeout=5, metadata=metadata)
            assert refused.value.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.PERMISSION_DENIED)


async def test_ready_json_says_where_everything_is(stack: RunningStack, data_dir: Path) -> None:
    path = data_dir / "ready.json"
    ready = json.loads(path.read_text())

    assert dict(stack) == ready
    assert PROCESSES == set(ready["pids"])
    assert {"calls", "campaigns", "notify", "gateway"} == set(ready["databases"]) == set(ready["grpc"])
    assert {"phone_number_id", "assistant_id"} == set(ready["sandbox"])
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


async def test_the_first_organization_is_furnished(stack: RunningStack, http: httpx.AsyncClient) -> None:
    http.headers["authorization"] = f"Bearer {stack['api_key']}"
    found = {
        plural: (await http.get(f"/v2/{plural}")).json()[plural]
        for plural in ("sources", "providerAccounts", "priorityRules", "pricingRules", "alertPolicies")
    }

    assert {"vapi-main", "twilio-main"} == {source["name"] for source in found["sources"]}
    assert [LINES] == [account["lines"] for account in found["providerAccounts"]]
    assert found["priorityRules"]
    assert found["pricingRules"]
    assert [["P1", "P2"]] == [policy["priorities"] for policy in found["alertPolicies"]]


async def test_one_trace_runs_from_envoy_into_a_service(
    stack: RunningStack, http: httpx.AsyncClient, data_dir: Path
) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "authorization": f"Bearer {stack['api_key']}",
        "traceparent": f"00-{trace_id}-b7ad6b7169203331-01",
    }
    answer = await http.get("/v2/calls", headers=headers)

    async def services() -> bool:
        lines = (data_dir / "traces.jsonl").read_text().splitlines()
        spans = [json.loads(line) for line in lines if trace_id in line]
        return {"envoy", "gateway", "calls"} <= {span["service"] for span in spans}

    assert 200 == answer.status_code
    assert await eventually(services)


@pytest.mark.parametrize("name", sorted(PROCESSES))
async def test_a_killed_process_comes_back(
    stack: RunningStack, http: httpx.AsyncClient, data_dir: Path, name: str
) -> None:
    before = stack["pids"][name]
    os.kill(before, signal.SIGKILL)

    async def replaced() -> bool:
        return stack["pids"][name] not in (0, before)

    async def healthy() -> bool:
        try:
            return (await http.get("/health")).status_code == 200
        except httpx.HTTPError:
            return False

    await eventually(replaced, within_seconds=3)
    await eventually(healthy, within_seconds=20)
    assert dict(stack) == json.loads((data_dir / "ready.json").read_text())


@pytest.fixture(scope="module")
def own_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def keys() -> list[str]:
    return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
async def test_up_ends_with_everything_it_started_and_starts_again(
    own_dir: Path, keys: list[str], number: signal.Signals
) -> None:
    """Three runs on the same data; started as a shell starts what it puts in the background. Of a killed one
    nothing is left either, and what was created in the first run is there in the last."""
    ports = {"CALLPLANE_DATA_DIR": str(own_dir), "CALLPLANE_PORT": "0", "CALLPLANE_SANDBOX_PORT": "0"}
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        ["/bin/sh", "-c", "trap '' INT; exec \"$0\" -m deploy.local up", sys.executable],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(own_dir), **ports},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ready = own_dir / "ready.json"
    ready.unlink(missing_ok=True)

    async def is_ready() -> bool:
        return ready.exists() or process.poll() is not None

    async def is_gone() -> bool:
        return process.poll() is not None

    try:
        await eventually(is_ready, within_seconds=60)
        told: dict[str, Any] = json.loads(ready.read_text()) if ready.exists() else {"pids": {}}
        pids = told["pids"]
        if pids:
            await find_or_create_key(told, keys)
        process.send_signal(number)
        await eventually(is_gone, within_seconds=30)
    finally:
        process.kill()
        output = process.communicate()[0]

    assert PROCESSES == set(pids), output
    assert (-number if number == signal.SIGKILL else 0) == process.returncode, output
    # The killed one may not have come to saying so.
    assert "ready http://127.0.0.1:" in output or number == signal.SIGKILL
    assert "Traceback" not in output
    assert ready.exists() == (number == signal.SIGKILL)

    async def all_gone() -> bool:
        return not any(is_alive(pid) for pid in pids.values())

    await eventually(all_gone, within_seconds=5)


async def find_or_create_key(told: dict[str, Any], keys: list[str]) -> None:
    """A customer's key, made in the first run and used in the later ones."""
    async with httpx.AsyncClient(base_url=told["public_url"], trust_env=False) as client:
        if not keys:
            owner = {"x-api-key": told["api_key"]}
            body = {"name": "kept", "scopes": ["calls:read"]}
            keys.append((await client.post("/v2/apiKeys", json=body, headers=owner)).json()["key"])
        answer = await client.get("/v2/calls", headers={"x-api-key": keys[0]})
        assert 200 == answer.status_code, answer.text


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
