"""What only the real adapter has: a circuit breaker, limits, and requests as Twilio wants them."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.notify.domain.messages import NotSent, Sent, Unknown, Verdict
from services.notify.errors import MessageProviderUnavailable
from tests.contract.twilio.conftest import SandboxWorld, adapter, new_message

# A good answer and 64 MiB of spaces, in 64 KiB.
BOMB = gzip.compress(b'{"sid":"SM1","status":"queued"' + b" " * 64 * 1024 * 1024 + b"}")
PACKED = b"HTTP/1.1 201 Created\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB) + BOMB


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[str]:
    """A server that answers everything with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def test_requests_are_what_the_specification_says_and_ask_for_callbacks(
    sandbox_world: SandboxWorld,
) -> None:
    message = new_message()
    await sandbox_world.provider.send(message)
    await sandbox_world.provider.find(message, known=frozenset())

    requests = sandbox_world.requests()

    assert [[], []] == [request.get("violations", []) for request in requests[-2:]]
    [text] = sandbox_world.sandbox.messages.messages.values()
    expected = f"http://127.0.0.1:9/hooks/twilio/main/sms-status?message={message.id}#rc=5&rp=all"
    assert expected == text.status_callback


async def test_a_look_reads_on_over_pages(sandbox_world: SandboxWorld) -> None:
    message = new_message(body="the first")
    await sandbox_world.provider.send(message)
    for _ in range(101):
        sandbox_world.sandbox.messages.accept(
            {"To": message.recipient, "From": "+15148447210", "Body": "later"},
            account_sid="AC" + "0" * 32,
            delivery_error=None,
        )

    assert await sandbox_world.provider.find(message, known=frozenset()) is not None


async def test_nobody_at_the_other_end_is_surely_not_sent_and_opens_the_circuit() -> None:
    twilio = adapter("http://127.0.0.1:1")
    outcomes = [await twilio.send(new_message()) for _ in range(6)]
    with pytest.raises(Exception, match="left alone"):
        await twilio.find(new_message(), known=frozenset())
    await asyncio.sleep(0.25)
    probe = await twilio.send(new_message())
    await twilio.close()

    assert ["CONNECTION_FAILED"] * 5 + ["CIRCUIT_OPEN"] == [
        outcome.code for outcome in outcomes if isinstance(outcome, NotSent)
    ]
    assert isinstance(outcomes[-1], NotSent)
    assert not outcomes[-1].tried
    assert NotSent("CONNECTION_FAILED", Verdict.RETRYABLE) == probe


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n<htm>", "UNREADABLE_ANSWER"),
        (b'HTTP/1.1 201 Created\r\ncontent-length: 17\r\n\r\n{"status":"sent"}', "UNREADABLE_ANSWER"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", "HTTP_302"),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 999\r\n\r\n{", "CONNECTION_LOST"),
        (b"nonsense\r\n\r\n", "CONNECTION_LOST"),
        (PACKED, "UNREADABLE_ANSWER"),
    ],
)
async def test_an_answer_that_cannot_be_read_leaves_it_unknown(raw: bytes, word: str) -> None:
    """B17: also one that is packed against our wish; it is not unpacked."""
    async with answering(raw) as url:
        twilio = adapter(url)
        outcome = await twilio.send(new_message())
        with pytest.raises(MessageProviderUnavailable):
            await twilio.find(new_message(), known=frozenset())
        await twilio.close()

    assert Unknown(word) == outcome


async def test_a_messaging_service_takes_the_place_of_a_number(sandbox_world: SandboxWorld) -> None:
    service = "MG" + "0" * 32
    twilio = adapter(f"{sandbox_world.sandbox.public_url}/twilio", sender=service)
    outcome = await twilio.send(new_message())
    await twilio.close()

    assert isinstance(outcome, Sent)
    [text] = sandbox_world.sandbox.messages.messages.values()
    assert (service, None) == (text.messaging_service_sid, text.sender)
