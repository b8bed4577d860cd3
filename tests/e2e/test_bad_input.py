"""What the front door answers to wrong input, through Envoy."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.stack import Stack
from tests.support.waiting import eventually

MEBIBYTE = 1024 * 1024


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.public_url, timeout=30) as client:
        yield client


def signed(stack: Stack, body: bytes) -> dict[str, str]:
    signature = hmac.new(stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-vapi-signature": signature, "content-type": "application/json"}


async def test_a_wrong_signature_is_401_and_nothing_is_stored(stack: Stack, http: httpx.AsyncClient) -> None:
    before = len(await stack.api.every("/v2/providerEvents", "providerEvents"))

    answer = await http.post(
        stack.vapi_path, content=b'{"message":{"type":"hang"}}', headers={"x-vapi-signature": "0" * 64}
    )

    assert 401 == answer.status_code
    assert before == len(await stack.api.every("/v2/providerEvents", "providerEvents"))


async def test_a_missing_signature_is_401(stack: Stack, http: httpx.AsyncClient) -> None:
    assert 401 == (await http.post(stack.vapi_path, content=b"{}")).status_code


async def test_a_webhook_over_8_mib_is_413(stack: Stack, http: httpx.AsyncClient) -> None:
    body = b" " * (8 * MEBIBYTE + 1)

    answer = await http.post(stack.vapi_path, content=body, headers=signed(stack, body))

    assert 413 == answer.status_code
    assert answer.json()["message"]


async def test_a_webhook_of_5_mib_is_taken(stack: Stack, http: httpx.AsyncClient) -> None:
    body = json.dumps(
        {"message": {"type": "conversation-update", "messages": ["x" * (5 * MEBIBYTE)]}}
    ).encode()

    assert 200 == (await http.post(stack.vapi_path, content=body, headers=signed(stack, body))).status_code


async def test_an_api_body_over_1_mib_is_413(stack: Stack) -> None:
    answer = await stack.http.post(
        "/v2/assistants", json={"name": "a", "config": {"text": "x" * (MEBIBYTE + 1)}}
    )

    assert 413 == answer.status_code
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "body", [b'{"message": {"type": "end-of-call', b"", b"[1,2]", b"\xff\xfe", b'"\\ud800"']
)
async def test_a_broken_body_with_a_right_signature_is_kept_as_unparsed(
    stack: Stack, http: httpx.AsyncClient, body: bytes
) -> None:
    answer = await http.post(stack.vapi_path, content=body, headers=signed(stack, body))

    assert 200 == answer.status_code

    async def kept() -> bool:
        events = await stack.api.every("/v2/providerEvents", "providerEvents", state="UNPARSED")
        return any(event["sizeBytes"] == len(body) for event in events)

    await eventually(kept)


async def test_an_unknown_message_type_is_kept(stack: Stack, http: httpx.AsyncClient) -> None:
    body = b'{"message":{"type":"brand-new-thing","call":{"id":"7d1a3c52-0c1f-4d8e-9a43-5b1f60c1a7e2"}}}'

    answer = await http.post(stack.vapi_path, content=body, headers=signed(stack, body))

    assert (200, {"received": True}) == (answer.status_code, answer.json())
    events = await stack.api.every("/v2/providerEvents", "providerEvents", type="brand-new-thing")
    assert ["brand-new-thing"] == [event["type"] for event in events]


async def test_an_unknown_source_is_404(stack: Stack, http: httpx.AsyncClient) -> None:
    assert (
        404
        == (await http.post("/hooks/vapi/nobody", content=b"{}", headers=signed(stack, b"{}"))).status_code
    )


async def test_a_missing_key_is_401(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/calls")

    assert 401 == answer.status_code
    assert answer.json()["message"]


async def test_a_wrong_key_is_401(stack: Stack, http: httpx.AsyncClient) -> None:
    wrong = stack.api_key[:-1] + ("a" if stack.api_key[-1] != "a" else "b")

    assert 401 == (await http.get("/v2/calls", headers={"authorization": f"Bearer {wrong}"})).status_code
    assert 401 == (await http.get("/v2/calls", headers={"x-api-key": "vx_nothing"})).status_code


async def test_a_principal_from_outside_is_ignored(http: httpx.AsyncClient) -> None:
    assert 401 == (await http.get("/v2/calls", headers={"x-callplane-principal": "anything"})).status_code


async def test_a_missing_scope_is_403(stack: Stack, http: httpx.AsyncClient) -> None:
    key = await stack.api.post("/v2/apiKeys", {"name": "reader", "scopes": ["calls:read"]})
    headers = {"x-api-key": key["key"]}

    assert 200 == (await http.get("/v2/calls", headers=headers)).status_code
    refused = await http.post(
        "/v2/campaigns/00000000-0000-7000-8000-000000000000:start", json={}, headers=headers
    )
    assert 403 == refused.status_code


async def test_another_tenants_id_is_404(stack: Stack, http: httpx.AsyncClient) -> None:
    other = await stack.another_organization()
    webhook = await stack.api.post(
        "/v2/webhooks", {"url": f"{stack.sandbox_url}/sandbox/receivers/x", "events": ["call.ended"]}
    )
    try:
        found = await http.get(f"/v2/webhooks/{webhook['id']}", headers={"x-api-key": other.api_key})
        assert 404 == found.status_code
        listed = await http.get("/v2/webhooks", headers={"x-api-key": other.api_key})
        assert [] == listed.json()["webhooks"]
    finally:
        await stack.http.delete(f"/v2/webhooks/{webhook['id']}")


async def test_an_upload_over_10_mib_is_413(stack: Stack) -> None:
    campaign = await stack.campaign(name="too large")
    rows = b"name,business_name,phone\n" + b"x" * (10 * MEBIBYTE + 1)

    answer = await stack.http.post(
        f"/v2/campaigns/{campaign['id']}/contacts:import", content=rows, headers={"content-type": "text/csv"}
    )

    assert 413 == answer.status_code


async def test_bad_rows_are_reported_and_good_ones_kept(stack: Stack) -> None:
    campaign = await stack.campaign(name="some bad rows")
    rows = "name,business_name,phone\nAda,Works,+14182650777\nBob,,12\n,Nobody,+14182650778\n"

    answer = await stack.http.post(
        f"/v2/campaigns/{campaign['id']}/contacts:import",
        files={"file": ("contacts.csv", rows.encode(), "text/csv")},
    )

    report = answer.json()
    assert (200, 3) == (answer.status_code, report["totalRows"])
    assert report["accepted"] + len(report["rejected"]) == 3
    assert [3] == [row["row"] for row in report["rejected"] if row["field"] == "phone"]
    assert all(row["reason"] for row in report["rejected"])


async def test_every_bad_row_of_a_large_file_can_be_read_again(stack: Stack) -> None:
    """CA-1: what was wrong with them is more than a mebibyte."""
    campaign = await stack.campaign(name="all bad rows")
    rows = "name,business_name,phone\n" + f"{'x' * 90},B,{'9' * 90}\n" * 8000
    report = await stack.api.upload(f"/v2/campaigns/{campaign['id']}/contacts:import", rows.encode())

    found = await stack.http.get(f"/v2/campaigns/{campaign['id']}/imports/{report['importId']}")

    assert (200, True) == (found.status_code, len(found.content) > MEBIBYTE)
    assert report["rejected"] == found.json()["rejected"]
    assert 8000 == found.json()["rejectedRows"]


async def test_routes_that_do_not_exist_say_so_in_json(stack: Stack, http: httpx.AsyncClient) -> None:
    missing = await http.get("/v2/nothing", headers={"x-api-key": stack.api_key})
    assert 404 == missing.status_code
    assert missing.json()["message"]
    wrong_method = await http.put("/v2/calls", headers={"x-api-key": stack.api_key})
    assert 405 == wrong_method.status_code
    assert "GET" in wrong_method.headers["allow"]


@pytest.mark.parametrize(
    ("field", "value"), [("cap", 0), ("cap", 51), ("cap", -1), ("assistantId", "not-a-uuid"), ("name", "")]
)
async def test_a_bad_field_is_named(stack: Stack, field: str, value: object) -> None:
    body = {
        "name": "x",
        "assistantId": await stack.assistant_id(),
        "phoneNumberId": stack.phone_number_id,
        field: value,
    }

    answer = await stack.http.post("/v2/campaigns", json=body)

    violations = [one for detail in answer.json()["details"] for one in detail.get("fieldViolations", ())]
    assert (400, [field]) == (answer.status_code, [_camel_case(one["field"]) for one in violations])


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


async def test_health_is_open(http: httpx.AsyncClient) -> None:
    answer = await http.get("/health")

    assert 200 == answer.status_code
    assert answer.json()["checks"]
    assert 200 == (await http.get("/livez")).status_code
