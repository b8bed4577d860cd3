"""What only the real adapter can get wrong: what it sends, and answers that are none."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import trace

from libs.environment import Secret
from services.calls.domain.placement import Placed, Refused, Unknown
from services.calls.errors import ProviderUnavailable
from services.calls.vapi import Vapi, VapiTransport, Webhook
from tests.contract.vapi.conftest import WEBHOOK_URL, SandboxWorld
from tests.contract.vapi.test_provider import order, place, recent_calls

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Rawness:
    """A world whose provider answers with whatever bytes a test wants."""

    def __init__(self, provider: Vapi) -> None:
        self.provider = provider
        self.connections = 0


@asynccontextmanager
async def answering(answer: bytes | Handle, *, seconds_max: float = 0.5) -> AsyncIterator[Rawness]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        world.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line[15:])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            await reader.readexactly(length)
            if callable(answer):
                await answer(reader, writer)
            else:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = VapiTransport(base_url=f"http://127.0.0.1:{port}", api_key=Secret("key-1"))
    world = Rawness(Vapi(transport, webhook=Webhook(url=WEBHOOK_URL), post_seconds_max=seconds_max))
    try:
        yield world
    finally:
        await transport.close()
        server.close()


def response(
    body: bytes, *, status: str = "201 Created", headers: str = "Content-Type: application/json\r\n"
) -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def test_the_order_carries_our_id_the_longest_duration_and_the_trace(
    sandbox_world: SandboxWorld,
) -> None:
    wanted = order(max_duration_seconds=90)

    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=True))):
        await place(sandbox_world, wanted)

    sent = next(one for one in sandbox_world.requests() if one["method"] == "POST")
    assert sent["body"]["name"] == str(wanted.call_id)
    assert sent["body"]["assistantOverrides"]["metadata"]["callplaneCallId"] == str(wanted.call_id)
    assert sent["body"]["assistantOverrides"]["maxDurationSeconds"] == 90
    assert len(sent["body"]["customer"]["name"]) <= 40
    assert sent["headers"]["accept-encoding"] == "identity"
    assert sent["headers"]["traceparent"].split("-")[1] == f"{0xABC:032x}"


async def test_an_assistant_gets_our_webhook_with_retries_and_every_message_we_need(
    sandbox_world: SandboxWorld,
) -> None:
    config = {"serverMessages": ["model-output"], "server": {"url": "https://elsewhere.example"}}

    created = await sandbox_world.provider.create_assistant(name="Rappel", config=config)

    kept = sandbox_world.sandbox.catalog.assistants[created.id]
    assert kept["server"] == {
        "url": WEBHOOK_URL,
        "timeoutSeconds": 20,
        "backoffPlan": {"type": "exponential", "maxRetries": 10, "baseDelaySeconds": 1},
        "headers": {"X-Vapi-Secret": "hook-secret"},
    }
    needed = {
        "status-update",
        "end-of-call-report",
        "tool-calls",
        "transcript",
        "conversation-update",
        "speech-update",
    }
    assert needed | {"model-output"} <= set(kept["serverMessages"])
    assert "hook-secret" not in json.dumps(dict(created.config))
    assert not {"server", "id", "orgId"} & set(created.config)


async def test_no_request_breaks_the_contract(sandbox_world: SandboxWorld) -> None:
    outcome = await place(sandbox_world, order())
    assert isinstance(outcome, Placed)
    provider = sandbox_world.provider
    await provider.get_call(outcome.provider_call_id)
    await recent_calls(sandbox_world)
    created = await provider.create_assistant(name="Rappel", config={"firstMessage": "Bonjour!"})
    await provider.update_assistant(created.id, name="Rappel 2", config=created.config)
    await provider.get_assistant(created.id)
    number = await provider.get_phone_number(order().phone_number_id)
    await provider.end_call(outcome.provider_call_id)

    assert number is not None
    assert number.number.startswith("+")
    assert [one for one in sandbox_world.requests() if one.get("contractViolation")] == []


async def test_a_list_longer_than_a_page_is_read_to_its_end(sandbox_world: SandboxWorld) -> None:
    sandbox_world.limit_lines(100)
    sandbox_world.provider = sandbox_world.paged(5)
    placed = [await place(sandbox_world, order()) for _ in range(23)]

    listed = await recent_calls(sandbox_world)

    assert len(listed) == 23
    assert {one.provider_call_id for one in placed if isinstance(one, Placed)} == {call.id for call in listed}


async def test_a_refused_connection_is_a_refusal() -> None:
    async with answering(b"") as world:
        pass
    closed = VapiTransport(base_url="http://127.0.0.1:1", api_key=Secret("key-1"))
    world.provider = Vapi(closed, webhook=Webhook(url=WEBHOOK_URL))

    assert await place(world, order()) == Refused(reason="PROVIDER_UNREACHABLE", infrastructure=True)
    await closed.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (response(b"<html>"), "ANSWER_UNREADABLE"),
        (response(b"{}"), "ANSWER_UNREADABLE"),
        (response(b'{"id": 7}'), "ANSWER_UNREADABLE"),
        (response(b"[" * 5000), "ANSWER_UNREADABLE"),
        (response(b'{"id": "\xff"}'), "ANSWER_UNREADABLE"),
        (response(b'{"id":"' + b"x" * 2_000_000 + b'"}'), "ANSWER_TOO_LARGE"),
        (
            response(
                gzip.compress(b"\0" * 5_000_000),
                headers="Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            ),
            "ANSWER_UNREADABLE",
        ),
        (response(b"", status="302 Found", headers="Location: http://127.0.0.1:1/\r\n"), "HTTP_302"),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{", "CONNECTION_LOST"),
        (b"not http at all\r\n\r\n", "CONNECTION_LOST"),
        (b"", "CONNECTION_LOST"),
    ],
)
async def test_an_answer_that_is_none_leaves_the_call_unknown(answer: bytes, reason: str) -> None:
    """B17: also one that is packed against our wish."""
    async with answering(answer) as world:
        assert await place(world, order()) == Unknown(reason=reason)
        assert world.connections == 1


async def test_an_endless_answer_is_cut_off() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(drip) as world:
        assert await place(world, order()) == Unknown(reason="TIMEOUT")


async def test_retry_after_is_told() -> None:
    limited = response(
        b'{"message":"Rate limit exceeded"}', status="429 Too Many Requests", headers="Retry-After: 7\r\n"
    )
    async with answering(limited) as world:
        refused = Refused(reason="RATE_LIMITED", infrastructure=True, retry_after_seconds=7)

        assert await place(world, order()) == refused


async def test_after_repeated_failures_calls_are_refused_unsent_but_still_looked_up() -> None:
    async with answering(response(b"", status="500 Internal Server Error")) as world:
        outcomes = [await place(world, order()) for _ in range(6)]

        assert outcomes[:5] == [Unknown(reason="HTTP_500")] * 5
        assert isinstance(outcomes[5], Refused)
        assert (outcomes[5].reason, outcomes[5].infrastructure) == ("CIRCUIT_OPEN", True)
        assert world.connections == 5
        with pytest.raises(ProviderUnavailable):
            await world.provider.get_call("x")
        assert world.connections == 6


async def test_a_control_address_elsewhere_is_not_called(sandbox_world: SandboxWorld) -> None:
    transport = VapiTransport(base_url="https://api.vapi.ai", api_key=Secret("key-1"))

    owned = {
        url: transport.owns(url)
        for url in (
            "https://api.vapi.ai/control",
            "https://phone-call-websocket.aws-us-west-2-backend-production1.vapi.ai/7420f27a/control",
            "https://evil.example/control",
            "https://api.vapi.ai.evil.example/control",
            "http://phone.vapi.ai/control",
            "https://vapi.ai@evil.example/",
            "http://169.254.169.254/",
        )
    }

    assert list(owned.values()) == [True, True, False, False, False, False, False]
    await transport.close()


async def test_a_partial_list_does_not_pass_for_a_whole_one() -> None:
    same = [{"id": str(number), "createdAt": "2026-01-01T00:00:00.000Z"} for number in range(100)]
    async with answering(response(json.dumps(same).encode(), status="200 OK")) as world:
        now = datetime.now(UTC)
        with pytest.raises(ProviderUnavailable):
            await world.provider.list_calls(created_from=now - timedelta(1), created_to=now)


async def test_secrets_inside_of_what_a_change_replaces_stay_at_the_provider(
    sandbox_world: SandboxWorld,
) -> None:
    """AS-6: our copy has none, and writing it back takes none away."""
    function = {"type": "function", "function": {"name": "price"}}
    server = {"url": "https://example.com/tool", "headers": {"X-Tool-Key": "s3cret"}}
    other = {"type": "function", "function": {"name": "other"}}
    made = await sandbox_world.provider.create_assistant(
        name="Rappel",
        config={
            "model": {"provider": "openai", "model": "gpt-4o", "tools": [{**function, "server": server}]}
        },
    )
    mine = dict(made.config["model"])
    assert "s3cret" not in json.dumps(mine)

    changed = {**mine, "temperature": 1, "tools": [other, *mine["tools"]]}
    told = await sandbox_world.provider.update_assistant(made.id, name="", config={"model": changed})

    stored = sandbox_world.sandbox.catalog.assistants[made.id]["model"]
    assert [{}, server] == [tool.get("server", {}) for tool in stored["tools"]]
    assert 1 == stored["temperature"]
    assert "s3cret" not in json.dumps(dict(told.config))


async def test_a_call_takes_what_is_different_for_it_but_not_where_its_webhooks_go(
    sandbox_world: SandboxWorld,
) -> None:
    """AS-4: the version a campaign has pinned reaches the call."""
    wanted = {
        "firstMessage": "Allô!",
        "server": {"url": "https://elsewhere.example"},
        "serverMessages": [],
        "maxDurationSeconds": 9999,
        "metadata": {"callplaneCallId": "another"},
    }
    one = order(assistant_overrides=wanted, max_duration_seconds=60)
    await place(sandbox_world, one)

    [call] = sandbox_world.sandbox.calls.calls.values()
    laid = call.assistant_overrides or {}
    assert ("Allô!", WEBHOOK_URL, 60) == (
        laid["firstMessage"],
        laid["server"]["url"],
        laid["maxDurationSeconds"],
    )
    assert str(one.call_id) == laid["metadata"]["callplaneCallId"]
    assert "end-of-call-report" in laid["serverMessages"]


async def test_a_pinned_model_keeps_the_secrets_that_only_the_provider_has(
    sandbox_world: SandboxWorld,
) -> None:
    """AS-4, AS-6: laid over the assistant for one call, its tools work as before."""
    tool = {"type": "function", "function": {"name": "price"}}
    server = {"url": "https://example.com/tool", "headers": {"X-Tool-Key": "s3cret"}}
    model = {"provider": "openai", "model": "gpt-4o"}
    made = await sandbox_world.provider.create_assistant(
        name="Rappel", config={"model": {**model, "tools": [{**tool, "server": server}]}}
    )
    pinned = {**dict(made.config["model"]), "temperature": 1}

    one = order(provider_assistant_id=made.id, assistant_overrides={"model": pinned})
    await place(sandbox_world, one)

    [call] = sandbox_world.sandbox.calls.calls.values()
    laid = (call.assistant_overrides or {})["model"]
    assert ({**tool, "server": server}, 1) == (laid["tools"][0], laid["temperature"])
