"""Who takes a call while nobody can be asked: the source's default assistant."""

import time

import httpx

from callplane.gateway.v2 import gateway_pb2
from libs.pg import DatabaseUnavailable
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway, webhook
from tests.support.waiting import eventually

SECRET = "secret-of-the-source"


async def create_source(gateway: Gateway, *, name: str) -> gateway_pb2.Source:
    request = gateway_pb2.CreateSourceRequest(
        name=name,
        provider="vapi",
        schemes=[gateway_pb2.Source.BEARER],
        secret=SECRET,
        default_assistant_id="asst-default",
    )
    return await gateway.sources.CreateSource(request, metadata=gateway.internal())


async def ring(gateway: Gateway, *, name: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {SECRET}"}
    return await gateway.http.post(
        f"/hooks/vapi/{name}", content=webhook("assistant-request"), headers=headers
    )


async def test_the_default_assistant_takes_the_call_when_calls_fails(gateway: Gateway) -> None:
    source = await create_source(gateway, name="with-default")
    gateway.peers.calls.fail_with = DatabaseUnavailable()

    answer = await ring(gateway, name="with-default")

    assert (200, {"assistantId": "asst-default"}) == (answer.status_code, answer.json())
    cleared = await gateway.sources.UpdateSource(
        gateway_pb2.UpdateSourceRequest(id=source.id, default_assistant_id=""), metadata=gateway.internal()
    )
    assert ("asst-default", "") == (source.default_assistant_id, cleared.default_assistant_id)

    async def apologizes() -> bool:
        return "error" in (await ring(gateway, name="with-default")).json()

    await eventually(apologizes)


async def test_it_takes_the_call_in_three_seconds_when_calls_is_slow(gateway: Gateway) -> None:
    """IN-1: a static fallback inside 3 s, of the provider's 7.5."""
    await create_source(gateway, name="with-slow-calls")
    gateway.peers.calls.open.clear()
    began = time.monotonic()

    answer = await ring(gateway, name="with-slow-calls")

    gateway.peers.calls.open.set()
    assert {"assistantId": "asst-default"} == answer.json()
    assert 2.5 < time.monotonic() - began < 4.5


async def test_it_takes_the_call_when_calls_is_not_there(start_gateway: StartGateway) -> None:
    async with start_gateway(calls_address="127.0.0.1:1") as gateway:
        await create_source(gateway, name="without-calls")

        assert {"assistantId": "asst-default"} == (await ring(gateway, name="without-calls")).json()


async def test_calls_is_told_whose_default_it_is(gateway: Gateway) -> None:
    await create_source(gateway, name="with-calls")
    gateway.peers.calls.answer = '{"assistantId":"asst-of-a-route"}'

    assert {"assistantId": "asst-of-a-route"} == (await ring(gateway, name="with-calls")).json()

    assert ["asst-default"] == [event.default_assistant_id for event in gateway.peers.calls.asked]
