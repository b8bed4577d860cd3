"""Events on their way to customers' systems."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import grpc
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from starlette.responses import Response

from callplane.events.v1 import events_pb2
from callplane.notify.v2 import webhooks_pb2
from libs import failpoints
from libs.environment import Secret
from tests.integration.notify.conftest import StartService
from tests.integration.notify.harness import Receiver, Service
from tests.support.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FAST = (0.0, 0.05, 0.05, 0.05)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


async def test_an_event_is_delivered_signed_and_traced(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(f"{receiver.url}/hook", "call.ended")
    call = events_pb2.CallSnapshot(id=str(uuid4()), status="ENDED", cost_usd="0.1250")
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    event = await service.tell(
        "callplane.call.ended.v1", call.id, events_pb2.CallEnded(call=call), traceparent=parent
    )

    [got] = await receiver.has(1)
    delivery = await service.delivery(webhook.id, "DELIVERED")

    body = Webhook(webhook.secret).verify(got.body, got.headers)
    assert "call.ended" == body["type"]
    assert {"id": call.id, "status": "ENDED", "costUsd": "0.1250"} == body["data"]["call"]
    assert event.id == got.headers["webhook-id"] == delivery.event_id
    assert TRACE == got.headers["traceparent"].split("-")[1]
    assert ("application/json", "identity") == (got.headers["content-type"], got.headers["accept-encoding"])
    assert [(1, 200, "")] == [(one.number, one.status_code, one.error) for one in delivery.attempts]


async def test_only_subscribers_of_the_type_and_the_assistant_get_it_and_once_each(
    service: Service, receiver: Receiver
) -> None:
    for path, events, assistant in (
        ("wanted", ["call.ended"], ""),
        ("assistant", ["call.ended"], "a1"),
        ("other-assistant", ["call.ended"], "a2"),
        ("other-event", ["call.started"], ""),
    ):
        await service.webhook(f"{receiver.url}/{path}", *events, assistant_id=assistant)
    await service.of(uuid4()).webhook(f"{receiver.url}/other-organization", "call.ended")
    event = await service.call_ended(assistant_id="a1")
    await service.calls.repeat(event)
    await service.call_ended(assistant_id="a1")

    await receiver.has(4)
    await asyncio.sleep(0.1)

    assert ["/assistant", "/assistant", "/wanted", "/wanted"] == sorted(got.path for got in receiver.received)


async def test_a_failed_delivery_is_repeated_under_the_same_id(
    start_service: StartService, receiver: Receiver
) -> None:
    receiver.answers = [Response("down", 500), Response(status_code=302, headers={"location": "/elsewhere"})]
    async with start_service(delivery_schedule_seconds=FAST) as service:
        webhook = await service.webhook(receiver.url)
        await service.call_ended()
        got = await receiver.has(3)
        delivery = await service.delivery(webhook.id, "DELIVERED")

    assert 1 == len({one.headers["webhook-id"] for one in got})
    for one in got:
        Webhook(webhook.secret).verify(one.body, one.headers)
    assert [(500, "HTTP_STATUS", "down"), (302, "REDIRECTED", ""), (200, "", "")] == [
        (attempt.status_code, attempt.error, attempt.response_body) for attempt in delivery.attempts
    ]


async def test_after_the_last_wait_it_is_exhausted_and_can_be_sent_once_more(
    start_service: StartService, receiver: Receiver
) -> None:
    receiver.answers = [Response(status_code=500) for _ in FAST]
    async with start_service(delivery_schedule_seconds=FAST) as service:
        webhook = await service.webhook(receiver.url)
        await service.call_ended()
        exhausted = await service.delivery(webhook.id, "EXHAUSTED")
        retry = webhooks_pb2.RetryDeliveryRequest(id=exhausted.id)
        await service.webhooks.RetryDelivery(retry, metadata=service.metadata)
        delivered = await service.delivery(webhook.id, "DELIVERED")
        code, _ = await refused(service.webhooks.RetryDelivery(retry, metadata=service.metadata))

    assert (len(FAST), len(FAST) + 1) == (len(exhausted.attempts), len(delivered.attempts))
    assert grpc.StatusCode.FAILED_PRECONDITION is code


async def test_gone_switches_the_endpoint_off_and_tells_the_others(
    service: Service, receiver: Receiver
) -> None:
    gone = await service.webhook(f"{receiver.url}/gone", "call.ended")
    await service.webhook(f"{receiver.url}/watch", "endpoint.disabled")
    receiver.answers = [Response(status_code=410)]
    await service.call_ended()

    [told] = await receiver.has(1, path="/watch")
    request = webhooks_pb2.GetWebhookRequest(id=gone.id)
    found = await service.webhooks.GetWebhook(request, metadata=service.metadata)

    assert {"webhookId": gone.id, "reason": "GONE"} == json.loads(told.body)["data"]
    assert (False, "GONE", 410) == (found.enabled, found.disabled_reason, found.last_status)
    assert "EXHAUSTED" == webhooks_pb2.Delivery.Status.Name((await service.deliveries(gone.id))[0].status)


async def test_five_days_of_failures_switch_it_off(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url)
    await service.database.execute(
        "UPDATE notify.webhooks SET failing_since = now() - interval '5 days', failures = 1"
    )
    receiver.answers = [Response(status_code=500)]
    await service.call_ended()
    await service.delivery(webhook.id, "RETRYING")

    request = webhooks_pb2.GetWebhookRequest(id=webhook.id)
    found = await service.webhooks.GetWebhook(request, metadata=service.metadata)
    on = webhooks_pb2.UpdateWebhookRequest(id=webhook.id, enabled=True)
    again = await service.webhooks.UpdateWebhook(on, metadata=service.metadata)

    assert (False, "FAILING") == (found.enabled, found.disabled_reason)
    assert (True, "") == (again.enabled, again.disabled_reason)


async def test_patience_that_an_endpoint_asks_for_is_given(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url)
    receiver.answers = [Response(status_code=429, headers={"retry-after": "120"})]
    await service.call_ended()

    delivery = await service.delivery(webhook.id, "RETRYING")

    wait = delivery.next_attempt_at.ToDatetime() - delivery.attempts[0].attempted_at.ToDatetime()
    assert 119 < wait.total_seconds() < 122


async def test_one_subject_stays_in_order_and_holds_up_no_other(
    start_service: StartService, receiver: Receiver
) -> None:
    receiver.answers = [Response(status_code=500)]
    async with start_service(delivery_schedule_seconds=(0.0, 0.5)) as service:
        webhook = await service.webhook(receiver.url, "call.started", "call.ended")
        call = events_pb2.CallSnapshot(id="c1", status="IN_PROGRESS")
        await service.tell("callplane.call.started.v1", "c1", events_pb2.CallStarted(call=call))
        await receiver.has(1)
        await service.call_ended(call_id="c1")
        await service.call_ended(call_id="c2")
        got = await receiver.has(4)
        await service.delivery(webhook.id, "DELIVERED")

    order = [(json.loads(one.body)["type"], json.loads(one.body)["data"]["call"]["id"]) for one in got]
    assert [
        ("call.started", "c1"),
        ("call.ended", "c2"),
        ("call.started", "c1"),
        ("call.ended", "c1"),
    ] == order


async def test_an_endpoint_that_hangs_does_not_hold_up_another(service: Service, receiver: Receiver) -> None:
    receiver.held["/hangs"] = asyncio.Event()
    await service.webhook(f"{receiver.url}/hangs")
    await service.webhook(f"{receiver.url}/works")
    for _ in range(8):
        await service.call_ended()

    await receiver.has(8, path="/works")

    assert 4 == len([one for one in receiver.received if one.path == "/hangs"])


async def test_a_huge_answer_is_read_so_far_and_no_farther(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url)
    receiver.answers = [Response("x" * 3_000_000)]
    await service.call_ended()

    delivery = await service.delivery(webhook.id, "DELIVERED")

    assert "x" * 4096 == delivery.attempts[0].response_body


async def test_a_crash_after_sending_leads_to_one_duplicate_with_the_same_id(
    service: Service, receiver: Receiver
) -> None:
    failpoints.configure("hook.after_send=error#1")
    webhook = await service.webhook(receiver.url)
    await service.call_ended()
    await receiver.has(1)
    await service.database.execute(
        "UPDATE notify.deliveries SET leased_until = now() WHERE lease IS NOT NULL"
    )

    first, second = await receiver.has(2)
    delivery = await service.delivery(webhook.id, "DELIVERED")

    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert 2 == len(receiver.received)
    assert [2] == [attempt.number for attempt in delivery.attempts]


async def test_both_secrets_sign_while_a_rotation_overlaps(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url)
    rotate = webhooks_pb2.RotateWebhookSecretRequest(id=webhook.id)
    second = (await service.webhooks.RotateWebhookSecret(rotate, metadata=service.metadata)).secret
    await service.call_ended()
    [overlapping] = await receiver.has(1)
    third = (await service.webhooks.RotateWebhookSecret(rotate, metadata=service.metadata)).secret
    await service.database.execute(
        "UPDATE notify.webhook_secrets SET expires_at = now() WHERE expires_at > now()"
    )
    await service.call_ended()
    _, after = await receiver.has(2)

    for secret in (webhook.secret, second):
        Webhook(secret).verify(overlapping.body, overlapping.headers)
    Webhook(third).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(second).verify(after.body, after.headers)
    stored = await service.database.fetch("SELECT sealed_secret FROM notify.webhook_secrets")
    assert not any(secret.encode() in row["sealed_secret"] for row in stored for secret in (second, third))


async def test_a_test_event_is_delivered_whatever_is_subscribed(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url, "lead.created")
    request = webhooks_pb2.TestWebhookRequest(id=webhook.id)
    queued = await service.webhooks.TestWebhook(request, metadata=service.metadata)

    [got] = await receiver.has(1)

    body = Webhook(webhook.secret).verify(got.body, got.headers)
    assert ("webhook.test", webhook.id) == (body["type"], body["data"]["webhookId"])
    assert queued.event_id == got.headers["webhook-id"]


async def test_own_events_reach_endpoints_too(service: Service, receiver: Receiver) -> None:
    webhook = await service.webhook(receiver.url, "message.sent")
    message = await service.send()

    [got] = await receiver.has(1)

    body = Webhook(webhook.secret).verify(got.body, got.headers)
    assert ("message.sent", message.id) == (body["type"], body["data"]["message"]["id"])
    [row] = await service.database.fetch("SELECT id FROM notify.outbox")
    assert str(row["id"]) == got.headers["webhook-id"]


async def test_a_deleted_endpoint_gets_nothing_more(start_service: StartService, receiver: Receiver) -> None:
    receiver.answers = [Response(status_code=500)]
    async with start_service(delivery_schedule_seconds=(0.0, 60.0)) as service:
        webhook = await service.webhook(receiver.url)
        await service.call_ended()
        await service.delivery(webhook.id, "RETRYING")
        delete = webhooks_pb2.DeleteWebhookRequest(id=webhook.id)
        await service.webhooks.DeleteWebhook(delete, metadata=service.metadata)

        [row] = await service.database.fetch("SELECT status FROM notify.deliveries")
        code, _ = await refused(service.webhooks.DeleteWebhook(delete, metadata=service.metadata))

    assert ("EXHAUSTED", grpc.StatusCode.NOT_FOUND) == (row["status"], code)


async def test_private_addresses_are_refused_at_creation(
    start_service: StartService, receiver: Receiver
) -> None:
    async with start_service(allow_private_urls=False) as service:
        for url in (
            receiver.url,
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://localhost/",
        ):
            code, _ = await refused(service.webhook(url))
            assert grpc.StatusCode.INVALID_ARGUMENT is code
        unknown, _ = await refused(service.webhook("https://hooks.example.com/", "call.exploded"))

    assert grpc.StatusCode.INVALID_ARGUMENT is unknown


async def test_private_addresses_are_refused_at_sending_too(
    start_service: StartService, receiver: Receiver
) -> None:
    async with start_service() as service:
        webhook = await service.webhook(receiver.url)
    async with start_service(allow_private_urls=False) as service:
        await service.call_ended()
        delivery = await service.delivery(webhook.id, "EXHAUSTED")

    assert ["ADDRESS_REFUSED"] == [attempt.error for attempt in delivery.attempts]
    assert [] == receiver.received


async def test_the_catalogue_lists_every_type_with_an_example(service: Service) -> None:
    answer = await service.webhooks.ListEventTypes(
        webhooks_pb2.ListEventTypesRequest(), metadata=service.metadata
    )

    names = {event_type.name for event_type in answer.event_types}
    assert {"call.ended", "lead.created", "message.failed", "endpoint.disabled"} <= names
    for event_type in answer.event_types:
        assert event_type.name == event_type.example["type"]


async def test_lists_go_on_where_they_stopped(service: Service, receiver: Receiver) -> None:
    made = [(await service.webhook(f"{receiver.url}/{number}")).id for number in range(3)]
    first = await service.webhooks.ListWebhooks(
        webhooks_pb2.ListWebhooksRequest(page_size=2), metadata=service.metadata
    )
    second = await service.webhooks.ListWebhooks(
        webhooks_pb2.ListWebhooksRequest(page_size=2, page_token=first.next_page_token),
        metadata=service.metadata,
    )
    code, _ = await refused(
        service.webhooks.ListWebhooks(
            webhooks_pb2.ListWebhooksRequest(page_token="nonsense"), metadata=service.metadata
        )
    )

    assert made[::-1] == [one.id for one in (*first.webhooks, *second.webhooks)]
    assert ("", grpc.StatusCode.INVALID_ARGUMENT) == (second.next_page_token, code)
    assert all(not one.secret for one in first.webhooks)


async def test_a_failing_endpoint_pauses_and_is_tried_with_one(
    start_service: StartService, receiver: Receiver
) -> None:
    receiver.answers = [Response(status_code=500) for _ in range(5)]
    async with start_service(delivery_schedule_seconds=(0.0, *[0.02] * 9)) as service:
        await service.webhook(receiver.url)
        await service.call_ended()
        await receiver.has(5)

        async def paused() -> list[Any]:
            return await service.database.fetch("SELECT id FROM notify.webhooks WHERE paused_until > now()")

        await eventually(paused)
        for _ in range(4):
            await service.call_ended()
        await asyncio.sleep(0.3)
        while_paused = len(receiver.received)
        await service.database.execute("UPDATE notify.webhooks SET paused_until = now()")
        await receiver.has(10)

    assert 5 == while_paused


async def test_a_former_key_opens_and_a_lost_one_holds_up_nobody_else(
    start_service: StartService, receiver: Receiver
) -> None:
    """What no key opens is not sent, until its secret is rotated."""
    keys = [Secret(f"{number}. encryption key of the tests of notify") for number in range(3)]
    async with start_service(encryption_key=keys[0]) as service:
        lost = await service.webhook(f"{receiver.url}/lost")
    async with start_service(encryption_key=keys[1]) as service:
        kept = await service.webhook(f"{receiver.url}/kept")
    async with start_service(encryption_key=keys[2], former_encryption_keys=(keys[1],)) as service:
        await service.call_ended()
        await service.delivery(kept.id, "DELIVERED")
        unsigned = await service.delivery(lost.id, "RETRYING")

        rotate = webhooks_pb2.RotateWebhookSecretRequest(id=lost.id)
        rotated = await service.webhooks.RotateWebhookSecret(rotate, metadata=service.metadata)
        retry = webhooks_pb2.RetryDeliveryRequest(id=unsigned.id)
        await service.webhooks.RetryDelivery(retry, metadata=service.metadata)
        await service.delivery(lost.id, "DELIVERED")

    got = {one.path: one for one in receiver.received}
    for path, secret in (("/kept", kept.secret), ("/lost", rotated.secret)):
        Webhook(secret).verify(got[path].body, got[path].headers)
    assert 2 == len(receiver.received)
    assert [(0, "NOT_SIGNED")] == [(one.status_code, one.error) for one in unsigned.attempts]
