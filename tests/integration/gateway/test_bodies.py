"""Bodies larger or other than they say, byte by byte on the socket."""

import hashlib
import hmac

import pytest

from tests.integration.gateway.harness import VAPI_SECRET, Gateway, signed, webhook
from tests.support.raw_http import Exchange, chunked, exchange, head, plain

MEBIBYTE = 1024 * 1024
LIMIT = 8 * MEBIBYTE
PATH = "/hooks/vapi/vapi-main"
BODY = webhook("hang")
SIGNATURE = f"X-Vapi-Signature: {signed(BODY)['X-Vapi-Signature']}"


async def send(gateway: Gateway, request: bytes, *args: object, **options: object) -> Exchange:
    return await exchange(gateway.running.http_port, request, *args, **options)  # type: ignore[arg-type]


def post(*headers: str, path: str = PATH) -> bytes:
    return head(path, "Host: x", *headers)


async def test_one_byte_over_the_limit_is_413_and_the_connection_is_closed(gateway: Gateway) -> None:
    """B16: with Content-Length. The answer comes although we are still sending."""
    found = await send(gateway, post(f"Content-Length: {LIMIT + 1}"), plain(LIMIT + 1))

    assert ([413], True) == (found.statuses, found.closed)
    assert b"BODY_TOO_LARGE" in found.answer
    assert [] == gateway.peers.calls.batches


async def test_exactly_the_limit_is_taken(gateway: Gateway) -> None:
    """B16: and not one byte less than promised."""
    signature = hmac.new(VAPI_SECRET.encode(), b" " * LIMIT, hashlib.sha256).hexdigest()
    headers = (f"Content-Length: {LIMIT}", f"X-Vapi-Signature: {signature}")

    assert [200] == (await send(gateway, post(*headers), plain(LIMIT))).statuses


async def test_without_a_length_it_is_413_as_soon_as_it_is_too_much(gateway: Gateway) -> None:
    """B16: chunked; most of what we wanted to send is never read."""
    found = await send(gateway, post("Transfer-Encoding: chunked"), chunked(128 * MEBIBYTE))

    assert 413 in (found.statuses or [413])
    assert found.closed
    assert found.sent_bytes < 64 * MEBIBYTE
    assert [] == gateway.peers.calls.batches


async def test_a_claim_of_more_than_ever_comes_is_refused_before_it_comes(gateway: Gateway) -> None:
    """B16: a length of petabytes is believed and refused."""
    for length in (LIMIT + 1, 2**50, "9" * 400):
        found = await send(gateway, post(f"Content-Length: {length}"), [b"x" * 10], end=True)
        assert set(found.statuses) <= {413, 400}, length
        assert found.closed


async def test_a_body_that_ends_early_is_not_stored(gateway: Gateway) -> None:
    """B16: the length says more than comes."""
    request = post(f"Content-Length: {len(BODY) + 5}", SIGNATURE)

    assert [] == (await send(gateway, request, [BODY], end=True)).statuses
    assert [] == gateway.peers.calls.batches
    assert 200 == (await gateway.vapi(BODY)).status_code


async def test_a_body_that_goes_on_is_not_read_further(gateway: Gateway) -> None:
    """B16: the length says less than comes; the rest is no request."""
    request = post(f"Content-Length: {len(BODY)}", SIGNATURE)
    found = await send(gateway, request, [BODY + b'{"message":{"type":"hang"}}\r\n\r\n'])

    # As one piece it may be refused whole.
    assert found.statuses in ([200, 400], [400])
    # What was taken of it has arrived when a later one is acknowledged.
    assert 200 == (await gateway.vapi(BODY)).status_code
    assert {event.body for event in gateway.peers.calls.events} <= {BODY}


async def test_the_signature_counts_over_what_the_length_says(gateway: Gateway) -> None:
    """B16: cut by its length, a body is another body."""
    request = post(f"Content-Length: {len(BODY) - 1}", SIGNATURE)

    assert {400, 401} >= set((await send(gateway, request, [BODY])).statuses)
    assert BODY[:-1] not in [event.body for event in gateway.peers.calls.events]


@pytest.mark.parametrize("length", ["-1", "abc", "1, 2", "0x10", "+5", ""])
async def test_a_length_that_is_no_number_is_400(gateway: Gateway, length: str) -> None:
    """B16: before anything is looked up."""
    found = await send(gateway, post(f"Content-Length: {length}", SIGNATURE), [BODY])

    assert [400] == found.statuses[:1]
    assert [] == gateway.peers.calls.batches


async def test_who_asks_first_is_told(gateway: Gateway) -> None:
    """B16: Expect: 100-continue. What fits is asked for and taken; what does not is refused."""
    expect = "Expect: 100-continue"
    fits = await send(gateway, post(f"Content-Length: {len(BODY)}", SIGNATURE, expect), [BODY])
    too_large = await send(gateway, post(f"Content-Length: {LIMIT + 1}", expect))

    assert [100, 200] == fits.statuses
    assert [413] == too_large.statuses
    assert [BODY] == [event.body for event in gateway.peers.calls.events]
