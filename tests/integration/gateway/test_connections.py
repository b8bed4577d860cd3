"""Webhooks on the wire: in pieces, one behind the other, with the last one of a connection, and at the
gateway's end."""

import asyncio

from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import Gateway, signed, webhook
from tests.support.raw_http import Exchange, exchange, head

PATH = "/hooks/vapi/vapi-main"


def request(body: bytes, *headers: str, path: str = PATH) -> bytes:
    signature = f"X-Vapi-Signature: {signed(body)['X-Vapi-Signature']}"
    return head(path, "Host: x", f"Content-Length: {len(body)}", signature, *headers) + body


async def send(gateway: Gateway, *pieces: bytes) -> Exchange:
    return await exchange(gateway.running.http_port, b"", pieces, silence_seconds=0.3)


def stored(gateway: Gateway) -> list[bytes]:
    return [event.body for event in gateway.peers.calls.events]


async def test_what_comes_in_pieces_is_stored_whole(gateway: Gateway) -> None:
    """IN-1: wherever the network cuts a webhook."""
    body = webhook("hang", text="x" * 300)
    whole = request(body)
    for size in (1, 7, 100, len(whole) - 1):
        found = await send(gateway, *(whole[at : at + size] for at in range(0, len(whole), size)))

        assert [200] == found.statuses, size
    assert [body] * 4 == stored(gateway)


async def test_requests_behind_one_another_are_answered_in_their_order(gateway: Gateway) -> None:
    first, second = webhook("hang", n=1), webhook("hang", n=2)
    elsewhere = head("/livez", "Host: x", method="GET")
    unsigned = head(PATH, "Host: x", f"Content-Length: {len(first)}") + first

    found = await send(gateway, request(first) + elsewhere + request(second) + unsigned + elsewhere)

    assert [200, 200, 200, 401, 200] == found.statuses
    assert [b'{"received":true}'] * 2 == [
        part[:17] for part in found.answer.split(b"\r\n\r\n")[1:] if part.startswith(b'{"received')
    ]
    assert [first, second] == stored(gateway)


async def test_the_last_webhook_of_a_connection_is_answered_before_it_closes(gateway: Gateway) -> None:
    body = webhook("hang")
    found = await send(gateway, request(body, "Connection: close"))

    assert ([200], True) == (found.statuses, found.closed)
    assert b"connection: close" in found.answer
    assert [body] == stored(gateway)


async def test_a_head_without_an_end_is_refused(gateway: Gateway) -> None:
    """B16: what a head may hold is limited as what a body may."""
    pieces = (f"X-Filler-{n}: {'x' * 8000}\r\n".encode() for n in range(60))
    found = await send(gateway, f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode(), *pieces)

    assert [400] == found.statuses or (not found.statuses and found.closed)
    assert [] == stored(gateway)


async def test_a_webhook_under_way_at_the_end_is_still_answered(start_gateway: StartGateway) -> None:
    """OP-4: a stop refuses what comes, not what has come."""
    body = webhook("hang")
    async with start_gateway() as gateway:
        ledger = gateway.peers.calls
        ledger.ingest_open.clear()
        sending = asyncio.create_task(exchange(gateway.running.http_port, request(body), silence_seconds=3))
        await asyncio.sleep(0.2)
        asyncio.get_running_loop().call_later(0.3, ledger.ingest_open.set)
    found = await sending

    assert ([200], True) == (found.statuses, found.closed)
    assert [body] == [event.body for event in ledger.events]
