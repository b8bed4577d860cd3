"""Every type of message at the door: acknowledged, or answered with what the provider can use."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from libs.pg import DatabaseUnavailable
from tests.integration.gateway.harness import Gateway, webhook
from tests.support.message_types import ACKNOWLEDGED, ANSWERED, Kind, has_documented_shape
from tests.support.waiting import eventually

SPEECH = next(kind for kind in ANSWERED if kind.type == "voice-request")
IN_JSON = [kind for kind in ANSWERED if kind is not SPEECH]


def forms(kind: Kind) -> list[bytes]:
    """With and without the envelope."""
    body = kind.body()
    return [body, json.dumps(json.loads(body)["message"]).encode()]


@pytest.fixture
async def deaf(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway whose `calls` answers nothing; well again afterwards, its breaker too."""
    gateway.peers.calls.fail_with = DatabaseUnavailable()
    yield gateway
    gateway.peers.calls.fail_with = None

    async def heard() -> bool:
        await gateway.vapi(webhook("tool-calls"))
        return bool(gateway.peers.calls.asked)

    await eventually(heard)


async def test_types_that_nobody_waits_for_are_stored_and_acknowledged(gateway: Gateway) -> None:
    """IN-2: whatever the type, known or not."""
    bodies = [body for kind in ACKNOWLEDGED for body in forms(kind)]
    answers = await asyncio.gather(*map(gateway.vapi, bodies))

    assert {(200, '{"received":true}')} == {(answer.status_code, answer.text) for answer in answers}
    assert sorted(bodies) == sorted(event.body for event in gateway.peers.calls.events)
    assert [] == gateway.peers.calls.asked


async def test_types_that_wait_are_asked_for(gateway: Gateway) -> None:
    bodies = [body for kind in ANSWERED for body in forms(kind)]
    answers = await asyncio.gather(*map(gateway.vapi, bodies))

    assert {200} == {answer.status_code for answer in answers}
    assert sorted(bodies) == sorted(event.body for event in gateway.peers.calls.asked)
    assert [] == gateway.peers.calls.events


@pytest.mark.parametrize("kind", IN_JSON, ids=str)
async def test_the_fixed_answer_has_the_documented_shape(deaf: Gateway, kind: Kind) -> None:
    """IN-1: nobody can work out an answer, and the provider can go on all the same."""
    for body in forms(kind):
        answer = await deaf.vapi(body)
        assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
        assert has_documented_shape(kind.type, answer.json()), answer.text


@pytest.mark.parametrize(
    ("told", "rate"), [(16_000, 16_000), (8_000, 8_000), (None, 24_000), ("x", 24_000), (10**12, 24_000)]
)
async def test_speech_is_answered_with_silence_and_never_with_json(
    gateway: Gateway, told: object, rate: int
) -> None:
    """IN-1: 16-bit mono PCM is what a voice-request is answered with."""
    gateway.peers.calls.answer = ""

    assert (200, "application/octet-stream", rate // 10 * 2) == await spoken(gateway, rate=told)


async def test_speech_is_silence_when_nobody_answers_too(deaf: Gateway) -> None:
    assert (200, "application/octet-stream", 3200) == await spoken(deaf, rate=16_000)


async def spoken(gateway: Gateway, *, rate: object) -> tuple[int, str, int]:
    document = json.loads(SPEECH.body())
    document["message"]["sampleRate"] = rate
    answer = await gateway.vapi(json.dumps(document).encode())
    assert not any(answer.content)
    return answer.status_code, answer.headers["content-type"], len(answer.content)
