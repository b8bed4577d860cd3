"""Envoy with our configuration, before services that only record what reaches them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from callplane.calls.v2 import calls_pb2, calls_pb2_grpc
from callplane.campaigns.v2 import campaigns_pb2, campaigns_pb2_grpc
from deploy.envoy.config import Address, public_services
from deploy.local.ports import free_port
from tests.support.front_door import KEY, MEBIBYTE, PRINCIPAL, REFUSAL, Upstream, front_door


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
async def door(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with front_door(upstream, tmp_path_factory.mktemp("door"), webhooks_per_minute=0) as url:
        yield url


@pytest.fixture
async def http(door: str, upstream: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    upstream.asked.clear()
    upstream.checked.clear()
    upstream.calls.clear()
    async with httpx.AsyncClient(base_url=door, timeout=20, trust_env=False) as client:
        yield client


async def test_rest_becomes_grpc_with_the_principal_of_the_gateway(
    http: httpx.AsyncClient, upstream: Upstream
) -> None:
    answer = await http.get("/v2/calls/abc", headers={**KEY, PRINCIPAL: "forged"})

    assert 200 == answer.status_code, answer.text
    assert "abc" == answer.json()["id"]
    assert "signed" == upstream.calls[0][1][PRINCIPAL]
    assert ["/callplane.calls.v2.CallService/GetCall"] == upstream.checked


async def test_who_sets_no_deadline_gets_the_route_s(
    http: httpx.AsyncClient, door: str, upstream: Upstream
) -> None:
    """The services would otherwise give up after the few seconds that a call among themselves may take."""
    await http.get("/v2/calls/c-1", headers=KEY)
    async with grpc.aio.insecure_channel(door.removeprefix("http://")) as channel:
        stub = calls_pb2_grpc.CallServiceStub(channel)
        metadata = tuple(KEY.items())
        await stub.GetCall(calls_pb2.GetCallRequest(id="c-1"), metadata=metadata)
        await stub.GetCall(calls_pb2.GetCallRequest(id="c-1"), metadata=metadata, timeout=7)

    by_rest, by_grpc, chosen = upstream.deadlines[-3:]
    assert by_rest is not None
    assert by_grpc is not None
    assert chosen is not None
    assert 20 < by_rest <= 30
    assert 20 < by_grpc <= 30
    # Rounded up on its way.
    assert chosen < 8


async def test_empty_lists_and_zeros_are_written(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/calls", headers=KEY)

    assert {"calls": [], "nextPageToken": ""} == answer.json()


@pytest.mark.parametrize("service", public_services(), ids=lambda service: service.name)
async def test_every_service_refuses_callers_without_a_key(http: httpx.AsyncClient, service: Any) -> None:
    """By the native protocol; the same for every REST path is proven below."""
    headers = {"content-type": "application/grpc", "te": "trailers", PRINCIPAL: "forged"}

    answer = await http.post(f"/{service.name}/Anything", headers=headers, content=b"\0\0\0\0\0")

    assert "16" == answer.headers["grpc-status"]


async def test_a_refusal_by_the_gateway_has_the_shape_of_all_errors(http: httpx.AsyncClient) -> None:
    rest = await http.get("/v2/calls/abc")
    upload = await http.post("/v2/campaigns/x/contacts:import", content=b"phone\n")
    unknown = await http.get("/v2/nothing")

    for answer in (rest, upload, unknown):
        assert 401 == answer.status_code
        assert REFUSAL == answer.json()
        assert "application/json" == answer.headers["content-type"]
    assert "Bearer" == upload.headers["www-authenticate"]


async def test_an_error_of_a_service_keeps_its_details(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/calls/missing", headers=KEY)

    assert 404 == answer.status_code
    body = answer.json()
    assert (5, "No such call.") == (body["code"], body["message"])
    assert "CALL_NOT_FOUND" == body["details"][0]["reason"]


async def test_unknown_query_parameters_and_broken_json_are_400(http: httpx.AsyncClient) -> None:
    unknown = await http.get("/v2/calls?colour=blue", headers=KEY)
    broken = await http.post("/v2/calls", content=b"{", headers={**KEY, "content-type": "application/json"})

    for answer in (unknown, broken):
        assert 400 == answer.status_code
        assert 3 == answer.json()["code"]
        assert answer.json()["message"]
        assert [] == answer.json()["details"]


@pytest.mark.parametrize(
    "path", ["/health", "/livez", "/versions", "/openapi.json", "/docs", "/hooks/vapi/x"]
)
async def test_open_paths_need_no_key_and_carry_no_principal(
    http: httpx.AsyncClient, upstream: Upstream, path: str
) -> None:
    answer = await http.get(path, headers={PRINCIPAL: "forged"})

    assert 200 == answer.status_code
    assert PRINCIPAL not in upstream.asked[-1][1]
    assert [] == upstream.checked


async def test_a_path_cannot_climb_out_of_the_open_ones(http: httpx.AsyncClient, upstream: Upstream) -> None:
    target = httpx.URL(str(http.base_url), raw_path=b"/hooks/../v2/campaigns/x/export.csv")

    answer = await http.get(target)

    assert 401 == answer.status_code
    assert [] == upstream.asked


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/hooks/vapi/x", 8 * MEBIBYTE),
        ("/v2/campaigns/x/contacts:import", 10 * MEBIBYTE + 64 * 1024),
        ("/v2/nothing", MEBIBYTE),
    ],
)
async def test_bodies_are_limited_by_route(
    http: httpx.AsyncClient, upstream: Upstream, path: str, limit: int
) -> None:
    fits = await http.post(path, content=b"x" * limit, headers=KEY)
    too_large = await http.post(path, content=b"x" * (limit + 1), headers=KEY)

    assert 200 == fits.status_code
    assert limit == upstream.asked[-1][2]
    assert 413 == too_large.status_code
    assert {"code": 3, "message": "Payload Too Large", "details": []} == too_large.json()


async def test_a_transcoded_body_over_1_mib_is_413(http: httpx.AsyncClient) -> None:
    body = json.dumps({"customerName": "x" * MEBIBYTE})

    answer = await http.post("/v2/calls", content=body, headers={**KEY, "content-type": "application/json"})

    assert 413 == answer.status_code
    assert 3 == answer.json()["code"]


async def test_headers_that_services_do_not_take_are_431(http: httpx.AsyncClient) -> None:
    fits = await http.get("/v2/calls", headers={**KEY, "x-large": "x" * 9_000})
    too_large = await http.get("/v2/calls", headers={**KEY, "x-large": "x" * 11_000})

    assert (200, 431) == (fits.status_code, too_large.status_code)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("grpc-timeout", "5S", 200),
        ("grpc-timeout", "soon", 400),
        ("grpc-timeout", "-1S", 400),
        ("grpc-timeout", "", 400),
        ("grpc-encoding", "identity", 200),
        ("grpc-encoding", "soon", 400),
        ("Any-Bin", "not base64!", 200),
        ("grpc-status-details-bin", "%", 200),
    ],
)
async def test_headers_that_only_grpc_reads_break_nothing(
    http: httpx.AsyncClient, name: str, value: str, status: int
) -> None:
    answer = await http.get("/v2/calls", headers={**KEY, name: value})

    assert status == answer.status_code
    if status == 400:
        assert 3 == answer.json()["code"]


async def test_native_grpc_passes_on_the_same_port(door: str, upstream: Upstream) -> None:
    metadata = tuple(KEY.items())
    async with grpc.aio.insecure_channel(door.removeprefix("http://")) as channel:
        stub = calls_pb2_grpc.CallServiceStub(channel)
        call = await stub.GetCall(calls_pb2.GetCallRequest(id="native"), metadata=metadata, timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetCall(calls_pb2.GetCallRequest(id="native"), timeout=5)

        chunks = [campaigns_pb2.ImportContactsRequest(chunk=os.urandom(MEBIBYTE)) for _ in range(3)]
        campaigns = campaigns_pb2_grpc.CampaignServiceStub(channel)
        report = await campaigns.ImportContacts(iter(chunks), metadata=metadata, timeout=20)

    assert "native" == call.id
    assert grpc.StatusCode.UNAUTHENTICATED == refused.value.code()
    assert "The API key is missing or not valid." == refused.value.details()
    assert 1 == report.accepted
    assert upstream.uploaded > 3 * MEBIBYTE


async def test_compressed_bodies_are_refused(http: httpx.AsyncClient, upstream: Upstream) -> None:
    """B17: gzip, br and zstd, once or nested, on every kind of route; nothing is unpacked anywhere. What is
    transcoded fails as JSON before its route is known."""
    bomb = gzip.compress(gzip.compress(b"0" * 10 * MEBIBYTE))
    paths = {"/v2/calls": 400, "/hooks/vapi/x": 415, "/v2/campaigns/x/contacts:import": 415}
    for path, status in paths.items():
        for encoding in ("gzip", "gzip, gzip", "br", "zstd", "deflate", "x"):
            headers = {**KEY, "content-encoding": encoding, "content-type": "application/json"}
            answer = await http.post(path, content=bomb, headers=headers)
            assert (status, 3) == (answer.status_code, answer.json()["code"]), (path, encoding)

    assert [] == upstream.asked
    plain = await http.get("/v2/calls", headers={**KEY, "content-encoding": "identity"})
    assert 200 == plain.status_code


async def test_what_cannot_be_had_now_says_when_to_ask_again(http: httpx.AsyncClient, tmp_path: Path) -> None:
    """Every 503 has Retry-After and the shape of all errors, whoever gives it: a service itself, or Envoy
    because a service, the gateway or the check of the key is not there."""
    nobody = Address("127.0.0.1", free_port())
    given = [await http.get("/v2/calls/away", headers=KEY)]
    for away in ({"services": nobody, "gateway_http": nobody}, {"gateway_authz": nobody}):
        async with (
            front_door(Upstream(), tmp_path, webhooks_per_minute=0, away=away) as url,
            httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client,
        ):
            given += [
                await client.get("/v2/calls/abc", headers=KEY),
                await client.post("/v2/calls", json={}, headers=KEY),
                await client.get("/v2/campaigns/x/export.csv", headers=KEY),
                *([await client.post("/hooks/vapi/x", json={})] if "gateway_http" in away else []),
            ]

    told = [(one.status_code, one.json()["code"], bool(one.headers.get("retry-after"))) for one in given]
    assert [(503, 14, True)] * 8 == told
