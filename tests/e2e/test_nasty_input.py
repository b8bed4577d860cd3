"""Input that breaks parsers and databases is a bad request on every route, and never an error of ours."""

import httpx
import pytest
from google.protobuf.descriptor import FieldDescriptor

from libs.rpc import pages
from tests.support.public_routes import Route, rest_routes
from tests.support.stack import Stack

ROUTES = rest_routes()
NOBODY = "00000000-0000-7000-8000-000000000000"
# Times that are in no year any more once they are in UTC.
PLACES = (
    ["0001-01-01T00:00:00+14:00", NOBODY],
    ["9999-12-31T23:59:59-14:00", NOBODY],
    ["\0", NOBODY],
    ["\0"],
)
DEEP = '{"a":' * 60 + "1" + "}" * 60


def described(answer: httpx.Response) -> str:
    assert 400 == answer.status_code, answer.text
    assert answer.json()["message"]
    return answer.text


def texts(route: Route) -> list[str]:
    """The names of its fields that hold text."""
    return [
        field.json_name
        for field in route.fields.values()
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
    ]


@pytest.mark.parametrize("route", [route for route in ROUTES if texts(route)], ids=str)
async def test_nul_in_a_text(stack: Stack, route: Route) -> None:
    for name in texts(route):
        value: dict[str, str] = {name: "a\0b"}
        body, query = (value, None) if route.body else (None, value)
        answer = await stack.http.request(route.verb, route.filled(NOBODY), json=body, params=query)

        assert described(answer)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.parameters], ids=str)
async def test_a_path_that_is_not_utf8(stack: Stack, route: Route) -> None:
    path = httpx.URL(stack.public_url, raw_path=route.filled("%C3%28").encode())
    answer = await stack.http.request(route.verb, path, json={} if route.body else None)

    assert "DecodeError" not in described(answer)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.is_list], ids=str)
async def test_a_page_token_that_we_did_not_write(stack: Stack, route: Route) -> None:
    for place in PLACES:
        answer = await stack.http.get(route.path, params={"pageToken": pages.encode(place)})

        # A list that has but one page takes no token.
        assert answer.status_code == 200 or "INVALID_PAGE_TOKEN" in described(answer)


@pytest.mark.parametrize(
    "config", [DEEP, '{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":NaN}', '{"a":1e400}', "[]"]
)
async def test_an_assistants_configuration(stack: Stack, config: str) -> None:
    body = '{"name":"nasty","config":' + config + "}"
    headers = {"content-type": "application/json"}

    assert described(await stack.http.post("/v2/assistants", content=body, headers=headers))


async def test_a_list_of_a_thousand_mistakes(stack: Stack) -> None:
    body = {"name": "x", "priorities": ["P1"], "recipients": [f"number {n}" for n in range(1000)]}

    assert described(await stack.http.post("/v2/alertPolicies", json=body))
