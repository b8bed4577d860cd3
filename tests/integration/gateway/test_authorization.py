"""Envoy's questions: which keys let a request in, and what the answer carries."""

import asyncio
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from callplane.gateway.v2 import gateway_pb2
from libs.rpc.principals import METADATA_KEY
from services.gateway.domain import api_keys
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway, unreachable
from tests.support.postgres import Database

METHOD = "/callplane.calls.v2.CallService/GetCall"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def in_future(seconds: float) -> Timestamp:
    at = Timestamp()
    at.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
    return at


async def ask(gateway: Gateway, headers: dict[str, str], path: str = METHOD) -> int:
    return (await gateway.authz.post(path, headers=headers)).status_code


async def test_a_key_becomes_a_principal(gateway: Gateway) -> None:
    key = await gateway.key("calls:read", "leads:write")

    for headers in (bearer(key.key), {"x-api-key": key.key}, {"authorization": f"bearer {key.key}"}):
        for method, path in (("POST", METHOD), ("GET", "/v2/campaigns/1/export.csv"), ("PATCH", "/anything")):
            answer = await gateway.authz.request(method, path, headers=headers)
            assert 200 == answer.status_code
            principal = gateway.signer.verify(answer.headers[METADATA_KEY])
            assert f"key:{key.id}" == principal.subject
            assert gateway.org_id == principal.org_id
            assert {"calls:read", "leads:write"} == principal.scopes


async def test_what_is_no_key_is_refused_alike(gateway: Gateway) -> None:
    real = (await gateway.key("calls:read")).key
    unknown = api_keys.generate(lambda _: "x")
    cases: dict[str, dict[str, str]] = {
        "none": {},
        "empty": {"authorization": ""},
        "no scheme": {"authorization": real},
        "basic": {"authorization": f"Basic {real}"},
        "wrong prefix": bearer("xv_" + real[3:]),
        "bad checksum": bearer(real[:-1] + ("a" if real[-1] != "a" else "b")),
        "cut": bearer(real[:-1]),
        "unknown": bearer(unknown),
        "10 kB": bearer("vx_" + "a" * 10_000),
        "not ASCII": {"x-api-key": "vx_\u00e9" * 10},
        "two different": {"authorization": f"Bearer {real}", "x-api-key": unknown},
        "forged principal": {METADATA_KEY: gateway.token("admin")},
    }

    bodies = set()
    for name, headers in cases.items():
        encoded = {key.encode(): value.encode("latin-1") for key, value in headers.items()}
        answer = await gateway.authz.post(METHOD, headers=encoded)
        assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"]), name
        assert METADATA_KEY not in answer.headers
        assert real not in answer.text
        bodies.add(answer.text)
    assert 1 == len(bodies)
    assert 401 == await ask(gateway, {}, f"{METHOD}?key={real}")


async def test_a_bad_checksum_does_not_reach_the_database(
    start_gateway: StartGateway, database: Database
) -> None:
    async with start_gateway() as gateway:
        await database.execute("ALTER TABLE gateway.api_keys RENAME TO hidden")

        assert 401 == await ask(gateway, bearer("vx_" + "a" * 38))
        assert 401 == await ask(gateway, bearer("sk_live_123"))
        assert 500 == await ask(gateway, bearer(api_keys.generate(lambda _: "x")))


async def test_both_headers_may_hold_the_same_key(gateway: Gateway) -> None:
    key = (await gateway.key()).key

    assert 200 == await ask(gateway, {**bearer(key), "x-api-key": key})


async def test_methods_for_our_own_services_are_closed(gateway: Gateway) -> None:
    key = (await gateway.key("admin")).key

    for path in (
        "/callplane.calls.v2.IngestService/IngestEvents",
        "/callplane.gateway.v2.OrganizationService/CreateOrganization",
        "/callplane.events.v1.EventService/Subscribe",
    ):
        assert 403 == await ask(gateway, bearer(key), path)
        assert 401 == await ask(gateway, {}, path)


async def test_an_expired_key_is_refused(gateway: Gateway) -> None:
    key = await gateway.key("admin", expires_at=in_future(0.5))
    assert 200 == await ask(gateway, bearer(key.key))

    await asyncio.sleep(0.6)

    assert 401 == await ask(gateway, bearer(key.key))


async def test_a_changed_key_counts_within_moments(gateway: Gateway) -> None:
    async def settled(expected: int, key: str) -> None:
        async with asyncio.timeout(5):
            while await ask(gateway, bearer(key)) != expected:
                await asyncio.sleep(0.02)

    key = await gateway.key()
    await settled(200, key.key)
    for enabled, expected in ((False, 401), (True, 200)):
        request = gateway_pb2.UpdateApiKeyRequest(id=key.id, enabled=enabled)
        await gateway.api_keys.UpdateApiKey(request, metadata=gateway.internal())
        await settled(expected, key.key)
    await gateway.api_keys.DeleteApiKey(
        gateway_pb2.DeleteApiKeyRequest(id=key.id), metadata=gateway.internal()
    )
    await settled(401, key.key)


async def test_a_quota_ends_a_key(gateway: Gateway) -> None:
    key = await gateway.key("admin", quota=3)

    assert [200, 200, 200, 429, 429] == [await ask(gateway, bearer(key.key)) for _ in range(5)]
    answer = await gateway.authz.get(METHOD, headers=bearer(key.key))
    assert "KEY_LIMIT_EXCEEDED" == answer.json()["details"][0]["reason"]
    assert "retry-after" not in answer.headers


async def test_an_hourly_rate_says_when_to_come_back(gateway: Gateway) -> None:
    key = await gateway.key("admin", hourly_rate=2)

    assert [200, 200, 429] == [await ask(gateway, bearer(key.key)) for _ in range(3)]
    answer = await gateway.authz.get(METHOD, headers=bearer(key.key))
    assert 1 <= int(answer.headers["retry-after"]) <= 3600


async def test_hourly_rates_can_be_switched_off_but_quotas_cannot(start_gateway: StartGateway) -> None:
    async with start_gateway(rate_limit_enabled=False) as gateway:
        rated, limited = await gateway.key("admin", hourly_rate=1), await gateway.key("admin", quota=1)

        assert [200, 200] == [await ask(gateway, bearer(rated.key)) for _ in range(2)]
        assert [200, 429] == [await ask(gateway, bearer(limited.key)) for _ in range(2)]


async def test_usage_outlives_the_process(start_gateway: StartGateway) -> None:
    async with start_gateway() as gateway:
        key = await gateway.key("admin", quota=5, hourly_rate=5)
        assert [200] * 3 == [await ask(gateway, bearer(key.key)) for _ in range(3)]

    async with start_gateway() as gateway:
        found = await gateway.api_keys.GetApiKey(
            gateway_pb2.GetApiKeyRequest(id=key.id), metadata=gateway.internal()
        )
        assert 3 == found.usage_count
        assert found.HasField("last_used_at")
        assert [200, 200, 429] == [await ask(gateway, bearer(key.key)) for _ in range(3)]


async def test_without_the_database_nobody_unknown_gets_in(
    start_gateway: StartGateway, database: Database
) -> None:
    async with start_gateway() as gateway:
        key = await gateway.key()
        async with unreachable(database, role="gateway_worker"):
            answer = await gateway.authz.get(METHOD, headers=bearer(key.key))
            assert (503, True) == (answer.status_code, "retry-after" in answer.headers)
