"""Assistants and phone numbers over Vapi's API."""

from tests.contract.sandbox.driver import Door

ASSISTANT = {
    "name": "Reminder",
    "model": {"provider": "openai", "model": "gpt-4o", "tools": [{"type": "endCall"}]},
    "server": {"url": "http://127.0.0.1:1/hooks", "timeoutSeconds": 20},
}


async def test_an_assistant_lives_from_creation_to_deletion(sandbox: Door) -> None:
    made = await sandbox.vapi("POST", "/assistant", ASSISTANT)
    path = f"/assistant/{made.json()['id']}"

    changed = (await sandbox.vapi("PATCH", path, {"model": {"provider": "openai", "model": "gpt-4o"}})).json()

    assert 201 == made.status_code
    assert {**ASSISTANT, "model": {"provider": "openai", "model": "gpt-4o"}}.items() <= changed.items()
    assert changed["updatedAt"] >= changed["createdAt"]
    assert changed == (await sandbox.vapi("GET", path)).json()
    assert {changed["id"], sandbox.assistant_id} == {
        a["id"] for a in (await sandbox.vapi("GET", "/assistant")).json()
    }
    assert 200 == (await sandbox.vapi("DELETE", path)).status_code
    assert 404 == (await sandbox.vapi("GET", path)).status_code


async def test_a_wrong_assistant_is_refused(sandbox: Door) -> None:
    tool = {"type": "function", "function": {"name": "no blanks allowed"}}
    bodies = [
        {"name": "x" * 41},
        {"maxDurationSeconds": 5},
        {"serverMessages": ["nonsense"]},
        {"model": {"provider": "openai", "model": "gpt-4o", "tools": [tool]}},
        {
            "server": {
                "url": "http://x",
                "backoffPlan": {"type": "fixed", "maxRetries": 11, "baseDelaySeconds": 1},
            }
        },
    ]

    answers = [await sandbox.vapi("POST", "/assistant", body) for body in bodies]

    assert [400] * len(bodies) == [answer.status_code for answer in answers]


async def test_phone_numbers_are_there_and_can_be_added(sandbox: Door) -> None:
    made = await sandbox.vapi("POST", "/phone-number", {"provider": "vapi", "name": "Second"})

    known = (await sandbox.vapi("GET", f"/phone-number/{sandbox.phone_number_id}")).json()

    assert (201, "+15148447210") == (made.status_code, known["number"])
    assert 2 == len((await sandbox.vapi("GET", "/phone-number")).json())
    missing = await sandbox.vapi("GET", "/phone-number/00000000-0000-0000-0000-000000000000")
    assert 404 == missing.status_code
    assert 400 == (await sandbox.vapi("POST", "/phone-number", {"provider": "twilio"})).status_code
