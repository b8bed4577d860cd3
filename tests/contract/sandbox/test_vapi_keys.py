"""Each API key opens an account of its own: what is made with one is nowhere to be seen with another."""

from typing import Any

import httpx
import pytest

from tests.contract.sandbox.driver import Door

OTHER_KEY = "sandbox-key-of-another-account"


@pytest.fixture
async def other(sandbox: Door) -> Door:
    """The same sandbox after a second key was made known to it."""
    await sandbox.post("settings", {"vapiOtherKeys": [OTHER_KEY], "callSeconds": [5, 5]})
    return sandbox


async def as_other(door: Door, method: str, path: str, body: Any = None) -> httpx.Response:
    return await door.vapi(method, path, body, headers={"Authorization": f"Bearer {OTHER_KEY}"})


async def test_an_account_begins_empty_and_keeps_its_objects_to_itself(other: Door) -> None:
    assistant = (await as_other(other, "POST", "/assistant", {"name": "Theirs"})).json()
    number = (await as_other(other, "POST", "/phone-number", {"provider": "vapi"})).json()

    assert [assistant["id"]] == [one["id"] for one in (await as_other(other, "GET", "/assistant")).json()]
    assert [number["id"]] == [one["id"] for one in (await as_other(other, "GET", "/phone-number")).json()]
    assert [other.assistant_id] == [one["id"] for one in (await other.vapi("GET", "/assistant")).json()]
    assert [other.phone_number_id] == [one["id"] for one in (await other.vapi("GET", "/phone-number")).json()]
    for path in (f"/assistant/{assistant['id']}", f"/phone-number/{number['id']}"):
        assert (404, 200) == (
            (await other.vapi("GET", path)).status_code,
            (await as_other(other, "GET", path)).status_code,
        )
    assert 404 == (await other.vapi("DELETE", f"/assistant/{assistant['id']}")).status_code


async def test_calls_need_objects_of_their_own_account_and_are_listed_there(other: Door) -> None:
    refused = await as_other(other, "POST", "/call", other.dial())
    made = (await other.vapi("POST", "/call", other.dial())).json()

    assert (400, True) == (refused.status_code, "Couldn't Get Assistant" in refused.text)
    assert [] == (await as_other(other, "GET", "/call")).json()
    assert [made["id"]] == [call["id"] for call in (await other.vapi("GET", "/call")).json()]
    assert 404 == (await as_other(other, "GET", f"/call/{made['id']}")).status_code
    assert 404 == (await as_other(other, "DELETE", f"/call/{made['id']}")).status_code


async def test_lines_are_counted_for_each_account(other: Door) -> None:
    await other.post("settings", {"concurrencyLimit": 1})
    assistant = (await as_other(other, "POST", "/assistant", {"name": "Theirs"})).json()
    number = (await as_other(other, "POST", "/phone-number", {"provider": "vapi"})).json()
    theirs = {**other.dial(), "assistantId": assistant["id"], "phoneNumberId": number["id"]}

    statuses = [
        (await other.vapi("POST", "/call", other.dial())).status_code,
        (await as_other(other, "POST", "/call", theirs)).status_code,
        (await as_other(other, "POST", "/call", theirs)).status_code,
    ]

    assert [201, 201, 400] == statuses


async def test_an_unknown_key_opens_nothing_and_known_ones_are_not_shown(other: Door) -> None:
    answer = await other.vapi("GET", "/assistant", headers={"Authorization": "Bearer nobodys-key"})

    assert 401 == answer.status_code
    assert OTHER_KEY not in str(await other.get("settings"))
