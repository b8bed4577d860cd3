"""Bodies that break parsers, through the whole stack: kept, acknowledged, and everybody goes on."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.bad_bodies import MEBIBYTE, STRUCTURES, TEXTS, about, large_report
from tests.support.raw_http import chunked, exchange, head, plain
from tests.support.stack import Stack
from tests.support.vapi_messages import status_update
from tests.support.waiting import eventually

SERVICES = ("gateway", "calls", "envoy")
MEMORY_MEBIBYTES_MAX = 300


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.public_url, timeout=30) as client:
        yield client


@pytest.fixture
async def unharmed(stack: Stack) -> AsyncIterator[None]:
    """The processes are the same afterwards, not much larger, and nothing waits to be read."""
    pids = {name: stack.ready["pids"][name] for name in SERVICES}
    before = {name: resident_mebibytes(pid) for name, pid in pids.items()}
    yield
    assert pids == {name: stack.ready["pids"][name] for name in SERVICES}
    grown = {name: resident_mebibytes(pid) - before[name] for name, pid in pids.items()}
    assert all(mebibytes < MEMORY_MEBIBYTES_MAX for mebibytes in grown.values()), grown

    async def read() -> bool:
        return not await stack.api.every("/v2/providerEvents", "providerEvents", state="PENDING")

    await eventually(read, within_seconds=20)


def resident_mebibytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(kibibytes) // 1024


def signed(stack: Stack, body: bytes) -> dict[str, str]:
    signature = hmac.new(stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-vapi-signature": signature, "content-type": "application/json"}


async def call_of(stack: Stack, provider_call_id: str) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        calls = await stack.api.every("/v2/calls", "calls", direction="INBOUND")
        return next((call for call in calls if call["providerCallId"] == provider_call_id), None)

    return await eventually(look, within_seconds=20)


async def test_every_bad_body_is_acknowledged_and_the_next_call_works(
    stack: Stack, http: httpx.AsyncClient, unharmed: None
) -> None:
    """B13, B14: rightly signed and broken, a few at a time beside good ones."""
    bodies = {**TEXTS, **STRUCTURES}
    for n, (name, body) in enumerate(bodies.items()):
        sent = [about(f"e2e-bad-{n}", body), status_update(f"e2e-beside-{n % 5}", "ringing", at=n)]
        answers = await asyncio.gather(
            *(http.post(stack.vapi_path, content=one, headers=signed(stack, one)) for one in sent)
        )
        assert [200, 200] == [answer.status_code for answer in answers], name

    good = status_update("e2e-after-bad", "in-progress", at=1)
    assert 200 == (await http.post(stack.vapi_path, content=good, headers=signed(stack, good))).status_code
    assert "IN_PROGRESS" == (await call_of(stack, "e2e-after-bad"))["status"]


async def test_a_report_of_almost_five_megabytes_is_in_the_record(
    stack: Stack, http: httpx.AsyncClient, unharmed: None
) -> None:
    """B14: acknowledged, stored raw, folded."""
    body = large_report("e2e-large", size_bytes=int(4.6 * MEBIBYTE))
    started = time.monotonic()
    answer = await http.post(stack.vapi_path, content=body, headers=signed(stack, body))

    assert (200, {"received": True}) == (answer.status_code, answer.json())
    assert time.monotonic() - started < 10
    call = await call_of(stack, "e2e-large")
    assert ("ENDED", "0.5000", "Water.") == (call["status"], call["costUsd"], call["summary"])
    kept = await stack.api.every(
        "/v2/providerEvents", "providerEvents", providerCallId="e2e-large", type="end-of-call-report"
    )
    assert [("FOLDED", len(body))] == [(event["state"], event["sizeBytes"]) for event in kept]


async def test_a_replayed_webhook_has_no_effect(stack: Stack, http: httpx.AsyncClient) -> None:
    """B2: the same signature and time again is acknowledged and stored once; outside its window, 401."""

    def stamped(body: bytes, *, at: float) -> dict[str, str]:
        stamp = str(int(at))
        text = stamp.encode() + b"." + body
        signature = hmac.new(stack.vapi_secret.encode(), text, hashlib.sha256).hexdigest()
        return {"x-signature": signature, "x-timestamp": stamp}

    body = status_update("e2e-replayed", "ringing", at=0)
    fresh, old = stamped(body, at=time.time()), stamped(body, at=time.time() - 310)
    answers = [await http.post(stack.vapi_path, content=body, headers=one) for one in (fresh, fresh, old)]

    assert [200, 200, 401] == [answer.status_code for answer in answers]
    events = await stack.api.every("/v2/providerEvents", "providerEvents", providerCallId="e2e-replayed")
    assert 1 == len(events)


async def test_lengths_that_lie_harm_nobody(stack: Stack, unharmed: None) -> None:
    """B16: one byte too many, no length at all, petabytes, more and less than comes, asking first."""
    port, path = urlsplit(stack.public_url).port or 0, stack.vapi_path
    limit, body = 8 * MEBIBYTE, status_update("e2e-lies", "ringing", at=0)
    signature = f"X-Vapi-Signature: {signed(stack, body)['x-vapi-signature']}"

    def post(*headers: str) -> bytes:
        return head(path, "Host: x", *headers)

    over = await exchange(port, post(f"Content-Length: {limit + 1}"), plain(limit + 1))
    endless = await exchange(port, post("Transfer-Encoding: chunked"), chunked(64 * MEBIBYTE))
    asking = await exchange(
        port, post(f"Content-Length: {len(body)}", signature, "Expect: 100-continue"), [body]
    )
    early = await exchange(port, post(f"Content-Length: {len(body) + 9}", signature), [body], end=True)
    longer = await exchange(port, post(f"Content-Length: {len(body)}", signature), [body + b"x\r\n\r\n"])
    smuggled = await exchange(
        port, post(f"Content-Length: {len(body)}", "Transfer-Encoding: chunked", signature), [body]
    )

    assert (413, 413) == (over.statuses[-1], endless.statuses[-1])
    assert endless.sent_bytes < 64 * MEBIBYTE
    assert [100, 200] == asking.statuses
    assert set(early.statuses) <= {400}
    assert [200, 400] == longer.statuses
    assert [400] == smuggled.statuses
    events = await stack.api.every("/v2/providerEvents", "providerEvents", providerCallId="e2e-lies")
    assert [len(body)] == [event["sizeBytes"] for event in events]


NAMES: dict[str, tuple[bytes, int]] = {
    "NUL": (b'"a\\u0000b"', 400),
    "raw NUL": (b'"a\x00b"', 400),
    "lone surrogate": (b'"\\ud800"', 400),
    "surrogate as UTF-8": (b'"\xed\xa0\x80"', 400),
    "overlong": (b'"\xc0\xaf"', 400),
    "invalid UTF-8": (b'"\xff\xfe"', 400),
    "number": (b"1e400", 400),
    "NaN": (b"NaN", 400),
    "endless digits": (b"9" * 4301, 400),
    "object": (b'{"a":1}', 400),
    "empty": (b'""', 400),
    "list": (b'["a"]', 400),
    "deep": (b"[" * 100_000, 400),
    "right to left": ('"\u202eabc \u200f\u0627\u0644"'.encode(), 200),
    "four bytes": ('"\U0001f6a8 \U0001f469\u200d\U0001f680"'.encode(), 200),
    "escaped pair": (b'"\\ud83d\\ude42"', 200),
}


@pytest.mark.parametrize("name", list(NAMES))
async def test_a_name_over_the_api(stack: Stack, name: str) -> None:
    """B13, B14: a clear refusal, or exactly what was sent."""
    value, status = NAMES[name]
    body = b'{"scopes":["calls:read"],"name":' + value + b"}"
    answer = await stack.http.post("/v2/apiKeys", content=body, headers={"content-type": "application/json"})

    assert status == answer.status_code, answer.text
    if status == 200:
        assert json.loads(value) == answer.json()["name"]
    else:
        assert answer.json()["code"] == 3
        assert answer.json()["message"]


async def test_of_a_key_that_comes_often_the_last_counts(stack: Stack) -> None:
    """B14: duplicate keys are what JSON parsers make of them."""
    keys = b",".join(b'"name":"x%d"' % n for n in range(40_000))
    body = b'{"scopes":["calls:read"],' + keys + b"}"
    answer = await stack.http.post("/v2/apiKeys", content=body, headers={"content-type": "application/json"})

    assert (200, "x39999") == (answer.status_code, answer.json()["name"])


BODIES = {
    "depth 100": b'{"a":' * 100 + b"1" + b"}" * 100,
    "depth 1,000": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "depth 100,000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "in a free field": b'{"name":"x","config":' + b'{"a":' * 1_000 + b"1" + b"}" * 1_001,
    "not closed": b'{"name":"x"',
    "trailing": b'{"name":"x"} x',
    "empty": b"",
    "list": b'[{"name":"x"}]',
    "text": b'"x"',
    "byte order mark": b'\xef\xbb\xbf{"name":"x"}',
    "packed": b"\x1f\x8b\x08\x00" + b"\x00" * 20,
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}",
}


@pytest.mark.parametrize("name", list(BODIES))
async def test_a_body_over_the_api(stack: Stack, name: str) -> None:
    """B14: 400 with a sentence, within a second or so, and never an error of ours."""
    started = time.monotonic()
    answer = await stack.http.post(
        "/v2/assistants", content=BODIES[name], headers={"content-type": "application/json"}
    )

    assert 400 == answer.status_code, answer.text[:300]
    assert answer.json()["message"]
    assert len(answer.content) < 10_000
    assert time.monotonic() - started < 5
