"""Requests to endpoints, over real sockets and a resolver that lies."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from starlette.responses import Response

from services.notify.domain.webhooks import RESPONSE_CHARACTERS_MAX, AttemptError
from services.notify.endpoint import EndpointClient
from services.notify.errors import WebhookUrlRefused
from tests.integration.notify.harness import Receiver

PUBLIC = "93.184.215.14"


class LyingResolver:
    """Gives the answers in turn, the last one for good."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise socket.gaierror
        return answer


@asynccontextmanager
async def client(
    *answers: Sequence[str], allow_loopback: bool = False, seconds: float = 2.0
) -> AsyncIterator[EndpointClient]:
    resolve = LyingResolver(*answers) if answers else None
    one = EndpointClient(
        allow_loopback=allow_loopback, resolve=resolve, connect_seconds=2.0, request_seconds=seconds
    )
    try:
        yield one
    finally:
        await one.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"])
async def test_a_name_with_a_private_address_is_refused_at_creation_and_at_sending(address: str) -> None:
    async with client([address]) as endpoint:
        with pytest.raises(WebhookUrlRefused):
            await endpoint.check("https://127.0.0.1.nip.example/")
        result = await endpoint.post("https://127.0.0.1.nip.example/", headers={}, body="{}")

    assert (0, AttemptError.ADDRESS_REFUSED) == (result.status_code, result.error)


async def test_a_name_that_changes_its_mind_connects_to_nothing_private(receiver: Receiver) -> None:
    """It is public when the endpoint is created and loopback when it is called."""
    async with client([PUBLIC], ["127.0.0.1"]) as endpoint:
        await endpoint.check("https://rebinding.example/")
        result = await endpoint.post("https://rebinding.example:8443/", headers={}, body="{}")

    assert AttemptError.ADDRESS_REFUSED is result.error
    assert [] == receiver.received


async def test_of_mixed_answers_only_the_public_ones_are_dialed() -> None:
    async with client(["10.0.0.1", PUBLIC, "::1"]) as endpoint:
        assert [PUBLIC] == await endpoint.vetted("mixed.example", 443)


async def test_a_name_is_resolved_once_and_that_address_is_dialed(receiver: Receiver) -> None:
    url = receiver.url.replace("127.0.0.1", "hooks.example")
    resolve = LyingResolver(["127.0.0.1"], ["10.0.0.1"])
    endpoint = EndpointClient(allow_loopback=True, resolve=resolve)
    result = await endpoint.post(f"{url}/a?b=1", headers={"x-test": "1"}, body="{}")
    await endpoint.close()

    assert (200, ["hooks.example"]) == (result.status_code, resolve.asked)
    assert url.removeprefix("http://") == receiver.received[0].headers["host"]


async def test_a_name_that_does_not_exist_is_fine_at_creation_and_fails_at_sending() -> None:
    async with client([]) as endpoint:
        await endpoint.check("https://not-yet.example/")
        result = await endpoint.post("https://not-yet.example/", headers={}, body="{}")

    assert AttemptError.NAME_NOT_FOUND is result.error


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [Response(status_code=307, headers={"location": f"{receiver.url}/elsewhere"})]
    async with client(allow_loopback=True) as endpoint:
        result = await endpoint.post(receiver.url, headers={}, body="{}")

    assert (307, AttemptError.REDIRECTED, 1) == (result.status_code, result.error, len(receiver.received))


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "zstd"])
async def test_a_packed_answer_is_not_unpacked(receiver: Receiver, encoding: str) -> None:
    """B17: of what an endpoint sends back, only the beginning is kept, as it came."""
    bomb = gzip.compress(b"0" * 16 * 1024 * 1024)
    receiver.answers = [Response(bomb, headers={"content-encoding": encoding})]
    async with client(allow_loopback=True) as endpoint:
        result = await endpoint.post(receiver.url, headers={}, body="{}")

    assert (200, AttemptError.NONE) == (result.status_code, result.error)
    assert "00000000" not in result.response_body
    assert len(result.response_body) <= RESPONSE_CHARACTERS_MAX


async def test_an_endpoint_that_does_not_answer_is_left_in_time(receiver: Receiver) -> None:
    receiver.held["/"] = asyncio.Event()
    async with client(allow_loopback=True, seconds=0.2) as endpoint:
        result = await endpoint.post(receiver.url, headers={}, body="{}")

    assert AttemptError.TIMEOUT is result.error
    assert 150 < result.duration_ms < 1500


async def test_a_closed_port_and_a_babbling_server_are_failures() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 banana\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with client(allow_loopback=True) as endpoint:
        babbled = await endpoint.post(f"http://127.0.0.1:{port}/", headers={}, body="{}")
        insecure = await endpoint.post(f"https://127.0.0.1:{port}/", headers={}, body="{}")
        server.close()
        await server.wait_closed()
        closed = await endpoint.post(f"http://127.0.0.1:{port}/", headers={}, body="{}")

    assert AttemptError.PROTOCOL_ERROR is babbled.error
    assert AttemptError.TLS_FAILED is insecure.error
    assert AttemptError.CONNECTION_FAILED is closed.error


async def test_informational_answers_without_end_are_cut_off() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with client(allow_loopback=True, seconds=0.3) as endpoint:
        result = await endpoint.post(f"http://127.0.0.1:{port}/", headers={}, body="{}")
    server.close()
    await server.wait_closed()

    assert AttemptError.TIMEOUT is result.error


async def test_waits_that_an_endpoint_wishes_are_read_as_seconds_or_date(receiver: Receiver) -> None:
    headers = (
        {"retry-after": "7"},
        {"retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"},
        {"retry-after": "soon"},
    )
    receiver.answers = [Response(status_code=503, headers=one) for one in headers]
    async with client(allow_loopback=True) as endpoint:
        results = [await endpoint.post(receiver.url, headers={}, body="{}") for _ in headers]

    seconds, date, nonsense = (result.retry_after_seconds for result in results)
    assert (7, 0) == (seconds, nonsense)
    assert date > 3600 * 24
