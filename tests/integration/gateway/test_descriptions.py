"""Health, versions, the OpenAPI document, the human page, and what is no route at all."""

import re

import jsonschema_rs
import pytest

from services.gateway.http.openapi.descriptors import Descriptors
from services.gateway.http.openapi.document import document
from services.gateway.http.openapi.routes import Routes
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway
from tests.support.waiting import eventually


async def test_health_tells_of_everything_that_is_needed(gateway: Gateway) -> None:
    answer = await gateway.http.get("/health")

    assert 200 == answer.status_code
    body = answer.json()
    assert "healthy" == body["status"]
    assert {"database", "calls", "campaigns", "notify"} == set(body["checks"])
    assert all(check["healthy"] and check["latency_ms"] >= 0 for check in body["checks"].values())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", body["timestamp"])


async def test_health_is_503_while_anything_is_not_well(gateway: Gateway) -> None:
    await gateway.peers.servers["notify"].set_serving(False)

    async def unwell() -> bool:
        return (await gateway.http.get("/health")).status_code == 503

    assert await eventually(unwell)
    checks = (await gateway.http.get("/health")).json()["checks"]
    assert {"database": True, "calls": True, "campaigns": True, "notify": False} == {
        name: check["healthy"] for name, check in checks.items()
    }
    assert 200 == (await gateway.http.get("/livez")).status_code


async def test_health_answers_in_time_when_nobody_is_there(start_gateway: StartGateway) -> None:
    async with start_gateway(calls_address="127.0.0.1:1", notify_address="127.0.0.1:1") as gateway:
        answer = await gateway.http.get("/health", timeout=3)

    assert 503 == answer.status_code


async def test_versions_name_the_current_one(gateway: Gateway) -> None:
    body = (await gateway.http.get("/versions")).json()

    assert "v2" == body["latest"]
    assert ["current"] == [version["status"] for version in body["versions"] if version["version"] == "v2"]


async def test_the_pages_are_served(gateway: Gateway) -> None:
    openapi = await gateway.http.get("/openapi.json")
    assert "3.1.0" == openapi.json()["openapi"]
    assert "https://hooks.example.com" == openapi.json()["servers"][0]["url"]
    docs = await gateway.http.get("/docs")
    assert "text/html; charset=utf-8" == docs.headers["content-type"]
    assert "/v2/campaigns/{id}:start" in docs.text


UNROUTED = (
    ("GET", "/", "", 404),
    ("GET", "/v2/nothing", "", 404),
    ("POST", "/v2/calls/1/2/3", "application/json", 404),
    ("GET", "/v1/calls", "", 404),
    ("DELETE", "/v2/calls", "", 405),
    ("PUT", "/v2/campaigns/7", "application/json", 405),
    ("GET", "/v2/campaigns/7:start", "", 405),
    ("POST", "/v2/calls", "text/xml", 415),
    ("POST", "/v2/calls", "application/grpc", 415),
    ("GET", "/v2/campaigns/7/contacts:import", "", 405),
    ("DELETE", "/health", "", 405),
)


@pytest.mark.parametrize(("method", "path", "content_type", "status"), UNROUTED)
async def test_what_is_no_route_is_told_apart(
    gateway: Gateway, method: str, path: str, content_type: str, status: int
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    answer = await gateway.http.request(method, path, headers=headers)

    assert status == answer.status_code
    assert {"code", "message", "details"} == set(answer.json())
    assert "type.googleapis.com/google.rpc.ErrorInfo" == answer.json()["details"][0]["@type"]
    assert (status == 405) == bool(answer.headers.get("allow"))


async def test_a_wrong_method_is_told_the_right_ones(gateway: Gateway) -> None:
    answer = await gateway.http.delete("/v2/calls")

    assert "GET, POST" == answer.headers["allow"]


def test_every_public_rpc_is_in_the_document() -> None:
    descriptors = Descriptors.load()
    described = document(descriptors, server_url="https://x.example.com")

    operations = {
        operation["operationId"]: operation
        for item in described["paths"].values()
        for operation in item.values()
    }
    expected = {f"{operation.service}.{operation.name}" for operation in descriptors.operations}
    assert len(expected) > 40
    assert expected | {"CampaignService.ImportContacts", "CampaignService.ExportCampaign"} == set(operations)
    assert all(operation["x-required-scope"] not in ("", "internal") for operation in operations.values())
    assert all("{" not in path or "{campaign_id}" not in path for path in described["paths"])


def test_the_document_holds_together() -> None:
    """Every reference leads somewhere, every path variable is declared, every schema is one."""
    described = document(Descriptors.load(), server_url="https://x.example.com")
    schemas = described["components"]["schemas"]

    references = set(re.findall(r"'\$ref': '#/components/(\w+)/([\w.]+)'", str(described)))
    assert references
    assert all(name in described["components"][kind] for kind, name in references)
    for path, item in described["paths"].items():
        for operation in item.values():
            declared = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert set(re.findall(r"\{(\w+)\}", path)) == declared, path
            assert operation["responses"]["200"]
    for name in schemas:
        jsonschema_rs.Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        )


def test_schemas_follow_proto3_json() -> None:
    schemas = document(Descriptors.load(), server_url="x")["components"]["schemas"]
    call = schemas["calls.Call"]["properties"]

    assert {"type": "string", "format": "date-time"}.items() <= call["startedAt"].items()
    assert "#/components/schemas/calls.Call.Status" == call["status"]["$ref"]
    assert "ENDED" in schemas["calls.Call.Status"]["enum"]
    assert "STATUS_UNSPECIFIED" not in schemas["calls.Call.Status"]["enum"]
    created = schemas["campaigns.CreateCampaignRequest"]
    assert {"minimum": 1, "maximum": 50}.items() <= created["properties"]["cap"].items()
    assert {"name", "assistantId", "phoneNumberId"} == set(created["required"])
    assert "additionalProperties" in schemas["campaigns.CampaignStats"]["properties"]["byStatus"]


def test_a_path_s_verb_is_not_part_of_its_variable() -> None:
    routes = Routes([("GET", "/v2/a/{id}"), ("POST", "/v2/a/{id}:start"), ("POST", "/v2/a:quote")])

    assert ["GET"] == routes.verbs("/v2/a/7")
    assert ["POST"] == routes.verbs("/v2/a/7:start")
    assert ["POST"] == routes.verbs("/v2/a:quote")
    assert [] == routes.verbs("/v2/a/7:stop")
    assert [] == routes.verbs("/v2/a/7/")
