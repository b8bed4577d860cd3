"""Who gets in: every public route and method, asked without a key, with too small a key, and by another
tenant."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import httpx
import pytest

from libs.rpc import Principal, PrincipalSigner
from libs.rpc.principals import METADATA_KEY
from tests.support import public_routes
from tests.support.public_routes import FILE_ROUTES, Route
from tests.support.stack import Stack, Tenant
from tests.support.vapi_messages import STRUCTURED, whole_call
from tests.support.waiting import eventually

REST_ROUTES = public_routes.rest_routes()
ROUTES = [*REST_ROUTES, *FILE_ROUTES]
# A tenant's own things by id. What has no tenant, or nothing but a name, is not among them. Phone numbers
# have a test of their own: an unknown one is an answer of 200 with a reason, not a 404.
ID_ROUTES = [
    route for route in ROUTES if route.parameters and route.collection not in ("rulePacks", "phoneNumbers")
]
LISTS = [route for route in REST_ROUTES if route.is_list]
NOBODY = "00000000-0000-7000-8000-000000000000"

# What is made for the matrix is switched off, so that no other story meets it.
RULES = ("pricingRules", "pricingAdjustments", "serviceRules", "schedulingRules", "transferDestinations")

# By name, what a tenant that has made nothing has all the same: the key that asks, the templates that its
# directory begins with (rows of its own), and the account that comes with its first try to call.
THEIR_OWN = {
    "apiKeys": {"tests"},
    "assistants": {"Discovery", "Quick Pitch", "Voicemail-Friendly"},
    "providerAccounts": {"default"},
}

each_route = pytest.mark.parametrize("route", ROUTES, ids=str)


@pytest.fixture(scope="module")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.public_url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def other(stack: Stack) -> Tenant:
    return await stack.another_organization()


@pytest.fixture(scope="module")
async def small_keys(stack: Stack) -> dict[str, str]:
    """Two keys by the only scope that each has."""
    scopes = ("organizations:read", "rules:read")
    made = [await stack.api.post("/v2/apiKeys", {"name": scope, "scopes": [scope]}) for scope in scopes]
    return {scope: key["key"] for scope, key in zip(scopes, made, strict=True)}


# What a route needs to be asked at all.
BODIES: dict[str, dict[str, object]] = {
    "/v2/assistants/{id}:rollback": {"version": 1},
    "/v2/campaigns/{campaign_id}/contacts": {"contacts": [{"phone": "+15142260095"}]},
}


async def ask(
    http: httpx.AsyncClient, route: Route, *, id_: str = NOBODY, headers: dict[str, str] | None = None
) -> httpx.Response:
    content_type = {"content-type": "application/json" if route.body else "text/csv"}
    body = b"" if route.verb in ("GET", "DELETE") else json.dumps(BODIES.get(route.path, {})).encode()
    return await http.request(
        route.verb, route.filled(id_), content=body, headers=(headers or {}) | content_type
    )


def key(text: str) -> dict[str, str]:
    return {"x-api-key": text}


@each_route
async def test_no_route_is_open_without_a_key(stack: Stack, http: httpx.AsyncClient, route: Route) -> None:
    signer = PrincipalSigner(stack.running.secrets["PRINCIPAL_SECRET"])
    principal = Principal("service:tests", uuid4(), frozenset({"internal"}))

    for headers in ({}, key("vx_wrong"), {METADATA_KEY: signer.sign(principal)}):
        answer = await ask(http, route, headers=headers)

        assert 401 == answer.status_code, answer.text
        assert "UNAUTHENTICATED" == answer.json()["details"][0]["reason"]


@each_route
async def test_no_route_opens_to_a_key_without_its_scope(
    http: httpx.AsyncClient, small_keys: dict[str, str], route: Route
) -> None:
    scope = next(scope for scope in small_keys if scope != route.scope)

    answer = await ask(http, route, headers=key(small_keys[scope]))

    assert 403 == answer.status_code, answer.text
    [info] = answer.json()["details"]
    assert ("MISSING_SCOPE", route.scope) == (info["reason"], info["metadata"]["required_scope"])


@pytest.mark.parametrize("method", public_routes.internal_methods())
async def test_no_key_opens_an_internal_method(stack: Stack, method: str) -> None:
    async with grpc.aio.insecure_channel(stack.public_url.removeprefix("http://")) as channel:
        call: Any = channel.unary_unary(method)
        for metadata, code in (
            ((), grpc.StatusCode.UNAUTHENTICATED),
            ((("x-api-key", stack.api_key),), grpc.StatusCode.PERMISSION_DENIED),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", metadata=metadata, timeout=5)
            assert code is refused.value.code()


@pytest.fixture(scope="module")
async def owned(stack: Stack, http: httpx.AsyncClient) -> AsyncIterator[dict[str, str]]:
    """One thing of every collection that the first tenant owns, by the collection's name."""
    made = await made_by_hand(stack)
    made |= await made_by_a_call(stack, http)
    campaign = await stack.campaign(name="matrix", contacts=1)
    yield made | {"campaigns": campaign["id"], "assistants": campaign["assistantId"]}
    # What would change other stories.
    for name in ("webhooks", "priorityRules", "alertPolicies", "inboundRoutes", *RULES):
        await stack.http.delete(f"/v2/{name}/{made[name]}")
    await stack.http.patch(f"/v2/providerAccounts/{made['providerAccounts']}", json={"active": False})


async def made_by_hand(stack: Stack) -> dict[str, str]:
    bodies: dict[str, dict[str, object]] = {
        "webhooks": {"url": f"{stack.sandbox_url}/sandbox/receivers/matrix", "events": ["call.ended"]},
        "messages": {"to": "+15142260090", "body": "matrix"},
        "suppressions": {"phoneNumber": "+15142260091", "channel": "SMS"},
        "apiKeys": {"name": "matrix", "scopes": ["calls:read"]},
        "sources": {"name": f"matrix-{uuid4()}", "provider": "vapi", "schemes": ["HMAC_BODY"]},
        "providerAccounts": {"name": "matrix", "provider": "vapi", "lines": 1},
        "priorityRules": {"name": "matrix", "priority": "P4", "reason": "matrix", "keywords": ["matrix"]},
        "inboundRoutes": {"name": "matrix", "active": False, "result": {"errorMessage": "matrix"}},
        "alertPolicies": {"name": "matrix", "priorities": ["P1"], "recipients": ["+15142260092"]},
        "pricingRules": {"serviceType": "matrix", "priceMax": 1, "currency": "CAD"},
        "pricingAdjustments": {"kind": "LOCATION", "name": "matrix"},
        "serviceRules": {"serviceType": "matrix", "verdict": "REFUSED"},
        "schedulingRules": {"name": "matrix", "window": "matrix", "unit": "HOURS"},
        "consents": {"phoneNumber": "+15142260096", "source": "matrix"},
        "transferDestinations": {"name": "matrix", "kind": "NUMBER", "address": "+15142260094"},
    }
    made = {name: (await stack.api.post(f"/v2/{name}", body))["id"] for name, body in bodies.items()}
    delivery = await stack.api.post(f"/v2/webhooks/{made['webhooks']}:test")
    [organization] = await stack.api.every("/v2/organizations", "organizations")
    return made | {"deliveries": delivery["id"], "organizations": organization["id"]}


async def made_by_a_call(stack: Stack, http: httpx.AsyncClient) -> dict[str, str]:
    provider_call_id = str(uuid4())
    for body in whole_call(provider_call_id, structured_data=STRUCTURED):
        answer = await http.post(stack.vapi_path, content=body, headers={"x-vapi-secret": stack.vapi_secret})
        assert 200 == answer.status_code

    async def alerted() -> dict[str, str] | None:
        calls = await stack.api.every("/v2/calls", "calls")
        call_id = next((str(one["id"]) for one in calls if one["providerCallId"] == provider_call_id), "")
        alerts = await stack.api.every("/v2/alerts", "alerts")
        alert = next((one for one in alerts if one["callId"] == call_id), None)
        return {"calls": call_id, "leads": alert["leadId"], "alerts": alert["id"]} if alert else None

    return await eventually(alerted)


@pytest.mark.parametrize("route", ID_ROUTES, ids=str)
async def test_another_tenants_things_do_not_exist(
    http: httpx.AsyncClient, owned: dict[str, str], other: Tenant, route: Route
) -> None:
    answer = await ask(http, route, id_=owned[route.collection], headers=key(other.api_key))
    nobodys = await ask(http, route, id_=NOBODY, headers=key(other.api_key))

    assert 404 == answer.status_code, answer.text
    # Word for word what is said of things that nobody has.
    assert nobodys.text.replace(NOBODY, "") == answer.text.replace(owned[route.collection], "")


@pytest.mark.parametrize("route", LISTS, ids=str)
async def test_lists_hold_nothing_of_another_tenant(
    stack: Stack, http: httpx.AsyncClient, owned: dict[str, str], other: Tenant, route: Route
) -> None:
    ours = {one["id"] for one in await stack.api.every(route.path, route.items) if "id" in one}

    page = await stack.http.get(route.path, params={"pageSize": 1})
    token = page.json()["nextPageToken"]
    headers = key(other.api_key)
    theirs = (await http.get(route.path, headers=headers)).json()[route.items]
    after = (await http.get(route.path, params={"pageToken": token}, headers=headers)).json()[route.items]

    assert route.items not in owned or owned[route.items] in ours
    assert not ours & {one["id"] for one in (*theirs, *after) if "id" in one}
    assert [] == [one for one in theirs if "id" in one and not is_their_own(one, route.items, other)]


def is_their_own(one: dict[str, Any], items: str, tenant: Tenant) -> bool:
    if items == "organizations":
        return bool(one["id"] == tenant.org_id)
    untouched = items != "assistants" or (one["source"], one["version"]) == ("TEMPLATE", 1)
    return one.get("name") in THEIR_OWN.get(items, ()) and untouched


@pytest.fixture(scope="module")
async def own_number(stack: Stack) -> AsyncIterator[str]:
    """A phone number of an account at the provider that the first tenant alone has."""
    provider_key = f"matrix-{uuid4()}"
    await stack.sandbox.post("/sandbox/settings", {"vapiOtherKeys": [provider_key]})
    number = await stack.sandbox.client.post(
        "/vapi/phone-number",
        json={"provider": "vapi", "number": "+15142260097"},
        headers={"authorization": f"Bearer {provider_key}"},
    )
    access = {"apiKey": provider_key, "webhookUrl": stack.public_url + stack.vapi_path}
    account = await stack.api.post(
        "/v2/providerAccounts", {"name": "matrix's own", "provider": "vapi", "lines": 1, **access}
    )
    yield str(number.json()["id"])
    await stack.http.patch(f"/v2/providerAccounts/{account['id']}", json={"active": False})


async def test_a_number_of_another_tenants_account_is_one_that_nobody_has(
    stack: Stack, http: httpx.AsyncClient, own_number: str, other: Tenant
) -> None:
    """ED-3: its health is told to its tenant; to others, what is said of numbers that do not exist."""

    async def health(number: str, api_key: str) -> dict[str, Any]:
        answer = await http.get(f"/v2/phoneNumbers/{number}/health", headers=key(api_key))
        assert 200 == answer.status_code, answer.text
        found: dict[str, Any] = answer.json()
        assert (number, True) == (found.pop("phoneNumberId"), bool(found.pop("lastChecked")))
        return found

    ours = await health(own_number, stack.api_key)
    theirs = await health(own_number, other.api_key)
    nobodys = await health(NOBODY, other.api_key)

    assert ("HEALTHY", "") == (ours["status"], ours["reason"])
    assert ("ERROR", "PHONE_NUMBER_NOT_FOUND") == (theirs["status"], theirs["reason"])
    assert nobodys == theirs


async def test_another_tenants_things_cannot_be_named_in_bodies(
    stack: Stack, http: httpx.AsyncClient, owned: dict[str, str], other: Tenant
) -> None:
    headers = key(other.api_key)
    phone = {"phoneNumberId": stack.phone_number_id}
    campaign = {"name": "stolen", "assistantId": owned["assistants"], **phone}
    assert 404 == (await http.post("/v2/campaigns", json=campaign, headers=headers)).status_code
    call = {"callId": owned["calls"], "customerNumber": "+15142260093", "providerAssistantId": "x", **phone}
    assert 409 == (await http.post("/v2/calls", json=call, headers=headers)).status_code
    events = await stack.api.every("/v2/providerEvents", "providerEvents")
    replay = {"ids": [event["id"] for event in events[:5]]}
    assert 404 == (await http.post("/v2/providerEvents:replay", json=replay, headers=headers)).status_code


async def test_all_that_was_tried_changed_nothing(stack: Stack, owned: dict[str, str]) -> None:
    """Runs last in this file."""
    routes = [route for route in LISTS if route.items in owned]
    lists = await asyncio.gather(*(stack.api.every(route.path, route.items) for route in routes))

    things = {one["id"]: one for found in lists for one in found}
    assert [] == [name for name, id_ in owned.items() if name != "deliveries" and id_ not in things]
    assert "CREATED" == things[owned["campaigns"]]["status"]
    assert "OPEN" == things[owned["alerts"]]["status"]
    assert things[owned["apiKeys"]]["enabled"]
