"""Every type of message: kept, made part of the record with the effect it should have, and answered."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.calls.harness import House, Service
from tests.support.message_types import ANSWERED, KINDS, Kind, has_documented_shape

OFFICIAL = (Path(__file__).parents[3] / "../shared/providers/vapi/openapi.json").resolve()


def bare(body: bytes) -> bytes:
    return json.dumps(json.loads(body)["message"]).encode()


def plain(kind: Kind) -> str:
    return kind.type.partition("[")[0]


async def statuses(house: House) -> dict[str, str]:
    rows = await house.database.fetch("SELECT provider_call_id, status FROM calls.calls")
    return {row["provider_call_id"]: row["status"] for row in rows}


async def test_every_type_is_kept_and_folded(house: House) -> None:
    """IN-2: known types have their effect, unknown ones none, and both stay."""
    await house.told(*(kind.body() for kind in KINDS))

    kept = await house.database.fetch("SELECT type, provider_call_id FROM calls.provider_events")
    assert {(plain(kind), f"call of {kind}") for kind in KINDS} == {tuple(row.values()) for row in kept}
    told = await house.database.fetch("SELECT type FROM calls.call_events")
    assert sorted(map(plain, KINDS)) == sorted(row["type"] for row in told)
    assert 0 == await house.count("unparsed_events")
    assert {f"call of {kind}": kind.status for kind in KINDS} == await statuses(house)


async def test_messages_without_their_envelope_are_the_same(house: House) -> None:
    """IN-2: `{"message": {...}}` and the message alone."""
    assert len(KINDS) == await house.post(*(bare(kind.body()) for kind in KINDS))
    await house.fold_all()

    kept = await house.database.fetch("SELECT type, provider_call_id FROM calls.provider_events")
    assert {(plain(kind), f"call of {kind}") for kind in KINDS} == {tuple(row.values()) for row in kept}
    assert {f"call of {kind}": kind.status for kind in KINDS} == await statuses(house)


async def test_a_repeat_without_the_envelope_is_a_repeat(house: House) -> None:
    body = next(kind for kind in KINDS if kind.type == "status-update").body()

    assert (1, 0) == (await house.post(body), await house.post(bare(body)))


async def test_types_about_no_call_are_kept_apart(house: House) -> None:
    """IN-2: chats, sessions and campaigns have events too; they are in the ledger and touch no call."""
    messages = [{"type": kind.type, "timestamp": 1, **kind.fields} for kind in KINDS]
    await house.told(*(json.dumps({"message": message}).encode() for message in messages))

    assert (len(KINDS), 0) == (await house.count("provider_events"), await house.count("calls"))
    reasons = await house.database.fetch("SELECT DISTINCT reason FROM calls.unparsed_events")
    assert ["NO_CALL_ID"] == [row["reason"] for row in reasons]


async def test_types_that_wait_are_answered_in_the_documented_shape(service: Service) -> None:
    """IN-1: the neutral answer, with and without the envelope; speech is answered by the gateway."""
    for kind in ANSWERED:
        body = kind.body()
        answers = [await service.answer(body), await service.answer(bare(body))]
        if kind.type == "voice-request":
            assert ["", ""] == answers
        else:
            shaped = [has_documented_shape(kind.type, json.loads(answer)) for answer in answers]
            assert [True, True] == shaped, (kind.type, answers)


def test_every_type_of_the_provider_s_own_list_is_covered() -> None:
    """IN-2: what the provider's OpenAPI file can send, where it is at hand."""
    if not OFFICIAL.is_file():
        pytest.skip("the provider's specification is not here")
    schemas = json.loads(OFFICIAL.read_text())["components"]["schemas"]

    known = {kind.type for kind in KINDS}
    assert set() == _types(schemas, "ServerMessage") - known
    assert set() == _types(schemas, "ClientMessage") - known


def _types(schemas: dict[str, Any], union: str) -> set[str]:
    names = [one["$ref"].rpartition("/")[2] for one in schemas[union]["properties"]["message"]["oneOf"]]
    return {word for name in names for word in schemas[name]["properties"]["type"]["enum"]}
