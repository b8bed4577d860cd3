"""What the fold writes, and what it leaves alone: most webhooks say only that a conversation goes on."""

from typing import Any

import pytest

from services.calls.domain.differences import Source
from services.calls.operations.rebuilding import BEGINNING, Rebuilding
from tests.integration.calls.harness import House
from tests.support.vapi_messages import FLOODED, conversation_update, message, said, status_update, transcript


async def versions(house: House, table: str) -> list[tuple[Any, ...]]:
    """Which transaction wrote each row."""
    # Names of tables come from this file.
    rows = await house.database.fetch(f"SELECT xmin::text, ctid::text FROM calls.{table} ORDER BY ctid")  # noqa: S608
    return [tuple(row) for row in rows]


def speech(call_id: str, *, at: float) -> bytes:
    return message("speech-update", call_id, at=at, status="started", role="user", turn=at)


async def test_talk_without_news_is_kept_and_leaves_the_call_alone(house: House) -> None:
    """IN-5: each webhook has its event; the row of the call is written when it says something new."""
    await house.told(status_update("c-1", "in-progress", at=5), speech("c-1", at=6))
    before, written = await house.call("c-1"), await versions(house, "calls")

    await house.told(speech("c-1", at=7), speech("c-1", at=7.5))
    await house.told(speech("c-1", at=6.5))

    assert before == await house.call("c-1")
    assert written == await versions(house, "calls")
    assert 5 == await house.count("call_events")

    await house.told(speech("c-1", at=60))

    after = await house.call("c-1")
    assert 45 <= (after["last_status_at"] - before["last_status_at"]).total_seconds() <= 60
    assert await differences(house) == []


async def test_lines_that_are_known_are_not_written_again(house: House) -> None:
    """IN-6: a conversation is told again with every turn of it."""
    await house.told(conversation_update("c-1", FLOODED[:2], at=8))
    written = await versions(house, "transcripts")

    await house.told(conversation_update("c-1", FLOODED[:4], at=12))

    assert written == (await versions(house, "transcripts"))[:2]
    assert 4 == await house.count("transcripts")
    assert 4 == (await house.call("c-1"))["transcript_lines"]
    assert await differences(house) == []


@pytest.mark.parametrize(
    "told",
    [
        [said("user", "Autre chose", at=1), *FLOODED[1:]],
        FLOODED[:1],
        [*FLOODED[:1], said("bot", "Corrigé", at=1.5), said("user", "Oui", at=6)],
        FLOODED[:2],
    ],
    ids=["another beginning", "fewer", "a corrected line and more", "the same"],
)
async def test_a_conversation_told_otherwise_replaces_what_was_known(
    house: House, told: list[dict[str, Any]]
) -> None:
    await house.told(transcript("c-1", "user", "Allô?", at=4), conversation_update("c-1", FLOODED[:2], at=8))

    await house.told(conversation_update("c-1", told, at=9))

    rows = await house.database.fetch("SELECT message FROM calls.transcripts ORDER BY line_no")
    assert [line["message"] for line in told] == [row["message"] for row in rows]
    assert await differences(house) == []


async def test_live_lines_add_up_until_something_better_is_told(house: House) -> None:
    await house.told(transcript("c-1", "user", "Allô?", at=4))
    await house.told(transcript("c-1", "assistant", "Bonjour", at=5), transcript("c-1", "user", "Bon", at=6))

    assert 3 == (await house.call("c-1"))["transcript_lines"]
    assert await differences(house) == []

    await house.told(conversation_update("c-1", FLOODED, at=8), transcript("c-1", "user", "Oui", at=9))

    assert {"CONVERSATION"} == {
        row["source"] for row in await house.database.fetch("SELECT source FROM calls.transcripts")
    }
    assert await differences(house) == []


async def differences(house: House) -> list[Any]:
    """Between the record and what the ledger says it should be."""
    done = await Rebuilding(house.worker_pool).step(
        org_id=None, source=Source.LEDGER, apply=False, after=BEGINNING
    )
    return list(done.differences)
