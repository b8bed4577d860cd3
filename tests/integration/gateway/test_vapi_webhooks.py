"""POST /hooks/vapi/{source}: what gets in, what does not, and when it is acknowledged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from callplane.gateway.v2 import gateway_pb2
from libs.errors import InvalidArgument
from libs.pg import DatabaseUnavailable
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import (
    VAPI_SECRET,
    Gateway,
    signed,
    signed_with_time,
    unreachable,
    webhook,
)
from tests.support.postgres import Database

SAMPLES = (Path(__file__).parents[3] / "../shared/providers/vapi/samples").resolve()
LIMIT = 8 * 1024 * 1024
HANG = webhook("hang")


async def test_a_signed_webhook_is_acknowledged_after_it_was_stored(gateway: Gateway) -> None:
    answer = await gateway.vapi(HANG)

    assert (200, {"received": True}) == (answer.status_code, answer.json())
    [event] = gateway.peers.calls.events
    assert (HANG, str(gateway.org_id), "vapi") == (event.body, event.org_id, event.provider)
    assert abs(time.time() - event.received_at.ToSeconds()) < 10


async def test_each_scheme_of_the_source_lets_in(gateway: Gateway) -> None:
    schemes = [
        signed(HANG),
        {"X-Vapi-Signature": "sha256=" + signed(HANG)["X-Vapi-Signature"]},
        signed_with_time(HANG),
        signed_with_time(HANG, milliseconds=True),
        signed_with_time(HANG, at=time.time() - 290),
        {"X-Vapi-Secret": VAPI_SECRET},
    ]

    assert [200] * len(schemes) == [(await gateway.vapi(HANG, headers)).status_code for headers in schemes]


async def test_what_is_not_rightly_signed_is_refused_and_not_stored(gateway: Gateway) -> None:
    now = time.time()
    cases = {
        "none": {},
        "wrong": {"X-Vapi-Signature": "0" * 64},
        "of another body": signed(b"{}"),
        "of another secret": signed(HANG, secret="other"),
        "secret of nobody": {"X-Vapi-Secret": "other"},
        "scheme the source does not have": {"Authorization": f"Bearer {VAPI_SECRET}"},
        "too old": signed_with_time(HANG, at=now - 302),
        "from the future": signed_with_time(HANG, at=now + 302),
        "signature without its time": {"X-Signature": signed_with_time(HANG)["X-Signature"]},
        "10,000 signatures": {"X-Vapi-Signature": ",".join([signed(HANG)["X-Vapi-Signature"]] * 400)},
    }

    for name, headers in cases.items():
        answer = await gateway.vapi(HANG, headers)
        assert 401 == answer.status_code, name
        assert "SIGNATURE_INVALID" == answer.json()["details"][0]["reason"], name
    twice = await gateway.http.post(
        "/hooks/vapi/vapi-main", content=HANG, headers=[*signed(HANG).items(), *signed(HANG).items()]
    )
    assert 401 == twice.status_code
    assert [] == gateway.peers.calls.batches


async def test_a_replay_inside_the_window_is_stored_by_the_ledger_s_rules(gateway: Gateway) -> None:
    headers = signed_with_time(HANG)

    assert [200, 200] == [(await gateway.vapi(HANG, headers)).status_code for _ in range(2)]


NONSENSE = (
    b"",
    b"{",
    b"not json",
    b"[1,2]",
    b'{"message":{"type":"hang","x":NaN}}',
    b'{"message":{"type":"hang","x":"\\u0000 \\ud800"}}',
    b"\xff\xfe\x00",
    b'{"message":{"type":"hang","x":' + b"9" * 5000 + b"}}",
    b'{"a":' * 20_000,
    webhook("never-heard-of-this"),
    webhook('transcript[transcriptType="final"]'),
)


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
async def test_rightly_signed_nonsense_is_kept(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.vapi(body)

    assert (200, {"received": True}) == (answer.status_code, answer.json())
    assert body == gateway.peers.calls.events[0].body


async def test_a_source_that_does_not_exist_is_not_found(gateway: Gateway) -> None:
    for name in ("nobody", "twilio-main", "UPPER", "a", "x" * 300, "%00", "..%2F..", "vapi-main%2Fsms"):
        answer = await gateway.http.post(f"/hooks/vapi/{name}", content=HANG, headers=signed(HANG))
        assert 404 == answer.status_code, name
        assert answer.json()["details"][0]["reason"] in ("SOURCE_NOT_FOUND", "ROUTE_NOT_FOUND")


async def test_a_deleted_source_is_not_found_at_once(gateway: Gateway) -> None:
    request = gateway_pb2.CreateSourceRequest(
        name="short-lived", provider="vapi", schemes=[gateway_pb2.Source.BEARER], secret="abc"
    )
    source = await gateway.sources.CreateSource(request, metadata=gateway.internal())

    async def status() -> int:
        headers = {"authorization": "Bearer abc"}
        return (await gateway.http.post("/hooks/vapi/short-lived", content=HANG, headers=headers)).status_code

    assert 200 == await status()
    await gateway.sources.DeleteSource(
        gateway_pb2.DeleteSourceRequest(id=source.id), metadata=gateway.internal()
    )
    async with asyncio.timeout(5):
        while await status() != 404:
            await asyncio.sleep(0.02)


async def test_the_body_s_size_is_limited(gateway: Gateway) -> None:
    full = b" " * LIMIT
    assert 200 == (await gateway.vapi(full)).status_code

    too_large = full + b" "
    for headers in (signed(too_large), {}):
        answer = await gateway.vapi(too_large, headers)
        assert (413, "BODY_TOO_LARGE") == (answer.status_code, answer.json()["details"][0]["reason"])
    assert 1 == len(gateway.peers.calls.events)


async def test_a_body_without_length_is_counted_as_it_comes(gateway: Gateway) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 4 * LIMIT:
            sent += 65536
            yield b" " * 65536

    try:
        answer = await gateway.http.post("/hooks/vapi/vapi-main", content=endless(), headers=signed(b""))
        assert 413 == answer.status_code
    except (httpx.WriteError, httpx.ReadError):
        # The connection was closed while we were still sending.
        pass
    assert [] == gateway.peers.calls.batches


async def test_compressed_bodies_are_refused(gateway: Gateway) -> None:
    for encoding in ("gzip", "br", "gzip, gzip", "deflate"):
        answer = await gateway.vapi(HANG, {**signed(HANG), "content-encoding": encoding})
        assert 415 == answer.status_code


async def test_other_methods_are_refused_with_the_one_that_works(gateway: Gateway) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        answer = await gateway.http.request(method, "/hooks/vapi/vapi-main")
        assert (405, "POST") == (answer.status_code, answer.headers["allow"])


async def test_nothing_is_acknowledged_before_the_commit(gateway: Gateway) -> None:
    gateway.peers.calls.open.clear()
    waiting = [asyncio.create_task(gateway.vapi(webhook("hang", n=n))) for n in range(20)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)

    gateway.peers.calls.open.set()
    answers = await asyncio.gather(*waiting)

    assert {200} == {answer.status_code for answer in answers}
    assert 20 == len(gateway.peers.calls.events)
    assert len(gateway.peers.calls.batches) <= 4


@pytest.mark.parametrize("error", [DatabaseUnavailable(), InvalidArgument(), None])
async def test_what_cannot_be_stored_is_to_be_sent_again(gateway: Gateway, error: Exception | None) -> None:
    gateway.peers.calls.fail_with = error or RuntimeError("broken")  # type: ignore[assignment]  # on purpose

    answer = await gateway.vapi(HANG)

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
    assert [] == gateway.peers.calls.batches
    gateway.peers.calls.fail_with = None
    assert 200 == (await gateway.vapi(HANG)).status_code


async def test_a_ledger_that_does_not_answer_is_a_503(start_gateway: StartGateway) -> None:
    async with start_gateway(calls_address="127.0.0.1:1") as gateway:
        answer = await gateway.vapi(HANG)
        asked = await gateway.vapi(
            webhook("tool-calls", toolCallList=[{"id": "call_1", "name": "createLead"}])
        )

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
    assert (200, "call_1") == (asked.status_code, asked.json()["results"][0]["toolCallId"])
    assert asked.json()["results"][0]["error"]


async def test_without_the_database_nothing_unknown_gets_in(
    start_gateway: StartGateway, database: Database
) -> None:
    """A source seen a moment ago goes on working, because its webhooks are stored elsewhere."""
    async with start_gateway() as gateway:
        assert 200 == (await gateway.vapi(HANG)).status_code
        async with unreachable(database, role="gateway_worker"):
            assert 200 == (await gateway.vapi(HANG)).status_code
            answer = await gateway.http.post("/hooks/vapi/another-one", content=HANG, headers=signed(HANG))
            assert (503, True) == (answer.status_code, "retry-after" in answer.headers)


async def test_waiting_requests_are_answered_with_what_calls_says(gateway: Gateway) -> None:
    gateway.peers.calls.answer = '{"results":[{"name":"f","toolCallId":"call_1","result":"ok"}]}'
    body = webhook("tool-calls", toolCallList=[{"id": "call_1", "name": "f"}])

    answer = await gateway.vapi(body)

    assert (200, gateway.peers.calls.answer) == (answer.status_code, answer.text)
    assert "application/json" == answer.headers["content-type"]
    assert [body] == [event.body for event in gateway.peers.calls.asked]
    assert [] == gateway.peers.calls.batches


async def test_an_empty_answer_is_an_acknowledgement(gateway: Gateway) -> None:
    gateway.peers.calls.answer = ""

    assert {"received": True} == (await gateway.vapi(webhook("tool-calls"))).json()


@pytest.mark.parametrize(
    ("message_type", "fields", "expected"),
    [
        ("assistant-request", {}, "error"),
        ("tool-calls", {"toolCallList": [{"id": "call_1", "function": {"name": "f"}}]}, "results"),
        ("transfer-destination-request", {}, "error"),
        ("handoff-destination-request", {}, "error"),
        ("knowledge-base-request", {}, "documents"),
        ("campaign.predial", {}, "eligible"),
    ],
)
async def test_the_caller_hears_something_when_calls_fails(
    gateway: Gateway, message_type: str, fields: dict[str, object], expected: str
) -> None:
    gateway.peers.calls.fail_with = DatabaseUnavailable()

    answer = await gateway.vapi(webhook(message_type, **fields))

    assert 200 == answer.status_code
    assert expected in answer.json()


async def test_the_answer_comes_in_time_when_calls_is_slow(gateway: Gateway) -> None:
    gateway.peers.calls.open.clear()
    started = time.monotonic()

    answer = await gateway.vapi(webhook("assistant-request"))

    gateway.peers.calls.open.set()
    assert (200, True) == (answer.status_code, "error" in answer.json())
    assert 2.5 < time.monotonic() - started < 4.5


async def test_waiting_webhooks_do_not_hold_up_an_answer(gateway: Gateway) -> None:
    """The ledger is stuck in a commit; whoever is on the line gets an answer all the same."""
    gateway.peers.calls.ingest_open.clear()
    waiting = [asyncio.create_task(gateway.vapi(HANG)) for _ in range(10)]
    await asyncio.sleep(0.2)

    assert 200 == (await gateway.vapi(webhook("tool-calls"))).status_code

    assert not any(task.done() for task in waiting)
    gateway.peers.calls.ingest_open.set()
    assert {200} == {answer.status_code for answer in await asyncio.gather(*waiting)}


async def test_a_full_queue_refuses_at_once_but_never_whoever_waits_for_an_answer(
    start_gateway: StartGateway,
) -> None:
    """OP-4: beyond what can be stored webhooks are refused before they cost anything, and come again."""
    async with start_gateway(intake_queue_max=1) as gateway:
        gateway.peers.calls.ingest_open.clear()
        sent = [asyncio.create_task(gateway.vapi(HANG)) for _ in range(30)]
        done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        answered = await gateway.vapi(webhook("tool-calls"))
        gateway.peers.calls.ingest_open.set()
        await asyncio.wait(sent)
        later = await gateway.vapi(HANG)

    refused = done.pop().result()
    assert (503, "1") == (refused.status_code, refused.headers["retry-after"])
    assert "LIMIT_EXCEEDED" == refused.json()["details"][0]["reason"]
    assert waiting
    assert [200, 200] == [answered.status_code, later.status_code]
    assert {200, 503} == {task.result().status_code for task in sent}


async def test_every_sample_of_the_provider_gets_200(gateway: Gateway) -> None:
    folders = (
        "docs-server-events",
        "docs-campaigns",
        "docs-vapi-skills",
        "vapi4k-2024",
        "keey-2025",
        "whispey-tests",
    )
    files = [file for folder in folders for file in sorted((SAMPLES / folder).glob("*.json"))]
    if not files:
        pytest.skip("the provider's samples are not here")

    for file in files:
        assert 200 == (await gateway.vapi(file.read_bytes())).status_code, file.name
    assert len(files) == len(gateway.peers.calls.events) + len(gateway.peers.calls.asked)


async def test_the_trace_of_the_request_goes_with_the_event(gateway: Gateway) -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await gateway.vapi(HANG, {**signed(HANG), "traceparent": traceparent})
    for broken in ("x" * 10_000, "00-zz", ""):
        assert 200 == (await gateway.vapi(HANG, {**signed(HANG), "traceparent": broken})).status_code

    assert all(len(event.traceparent) <= 55 for event in gateway.peers.calls.events)


async def test_a_burst_travels_in_few_batches(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.vapi(webhook("speech-update", n=n)) for n in range(80)))

    assert {200} == {answer.status_code for answer in answers}
    bodies = {json.loads(event.body)["message"]["n"] for event in gateway.peers.calls.events}
    assert set(range(80)) == bodies
    assert len(gateway.peers.calls.batches) < 60
