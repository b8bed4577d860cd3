"""Text messages: sent at most once, whatever the provider does."""

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from callplane.events.v1 import events_pb2
from callplane.notify.v2 import messages_pb2
from libs import failpoints
from tests.integration.notify.harness import ON_CALL, Service
from tests.support.waiting import eventually

STATUS = messages_pb2.Message.Status.Name
BLOCKED = "+15145550177"


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details() or ""


async def event_types(service: Service) -> list[str]:
    rows = await service.database.fetch("SELECT type FROM notify.outbox ORDER BY position")
    return [row["type"] for row in rows]


async def test_a_message_is_sent_and_its_sending_is_told(service: Service) -> None:
    queued = await service.send(body="Bonjour é")
    sent = await service.message(queued.id, "SENT")

    assert "QUEUED" == STATUS(queued.status)
    assert ["Bonjour é"] == service.texts()
    assert (1, True) == (sent.attempts, sent.provider_message_id.startswith("SM"))
    assert ["callplane.message.sent.v1"] == await event_types(service)


async def test_a_repeated_request_is_the_same_message_and_another_one_is_refused(service: Service) -> None:
    first, second = await asyncio.gather(*(service.send(idempotency_key="k1") for _ in range(2)))
    other = service.send(idempotency_key="k1", body="Something else")

    assert first.id == second.id
    assert grpc.StatusCode.ALREADY_EXISTS is (await refused(other))[0]
    await service.message(first.id, "SENT")
    assert 1 == len(service.texts())


@pytest.mark.parametrize("mode", ["reset", "http"])
async def test_an_unknown_outcome_is_looked_up_and_not_sent_again(service: Service, mode: str) -> None:
    fault = {"mode": mode, "status": 500, "callMade": True, "count": 1}
    service.sandbox.faults.order({"twilio.createMessage": fault})
    queued = await service.send()

    sent = await service.message(queued.id, "SENT", "DELIVERED")

    assert (1, 1) == (len(service.texts()), sent.attempts)
    assert ["callplane.message.sent.v1"] == await event_types(service)


async def test_a_sender_that_dies_before_it_hears_the_answer_does_not_send_twice(service: Service) -> None:
    failpoints.configure("sms.after_post=error#1")
    queued = await service.send()
    await looked_up_soon(service, queued.id)

    sent = await service.message(queued.id, "SENT", "DELIVERED")

    assert (1, 1) == (len(service.texts()), sent.attempts)


async def looked_up_soon(service: Service, message_id: str) -> None:
    """The lease of a dead sender takes a minute to end; tests do not wait for it."""

    async def claimed() -> list[Any]:
        return await service.database.fetch(
            "SELECT id FROM notify.messages WHERE id = $1 AND status = 'SENDING'", message_id
        )

    await eventually(claimed)
    await asyncio.sleep(0.1)
    await look_up_now(service)


async def look_up_now(service: Service) -> None:
    await service.database.execute("UPDATE notify.messages SET lookup_at = now() WHERE status = 'SENDING'")


async def test_a_message_never_found_fails_visibly_and_a_late_word_corrects_it(
    service: Service,
) -> None:
    fault = {"mode": "reset", "callMade": False, "count": 1}
    service.sandbox.faults.order({"twilio.createMessage": fault})
    queued = await service.send()

    async def given_up() -> bool:
        await service.database.execute(
            "UPDATE notify.messages SET lookup_at = now() WHERE status = 'SENDING'"
        )
        return any(STATUS(message.status) == "FAILED" for message in await service.listed())

    await eventually(given_up)
    failed = await service.message(queued.id, "FAILED")
    assert ("NOT_CONFIRMED", 1, []) == (failed.error_code, failed.attempts, service.texts())
    await report(service, "SM-late", "delivered", message_id=queued.id)
    assert "SM-late" == (await service.message(queued.id, "DELIVERED")).provider_message_id


async def test_what_was_surely_not_sent_is_tried_again_at_once(service: Service) -> None:
    service.sandbox.faults.order({"twilio.createMessage": {"mode": "http", "status": 429, "count": 2}})
    queued = await service.send()

    sent = await service.message(queued.id, "SENT")

    assert (3, 1) == (sent.attempts, len(service.texts()))


async def test_after_three_quick_tries_it_waits_for_its_turn(service: Service) -> None:
    service.sandbox.faults.order({"twilio.createMessage": {"mode": "http", "status": 429, "count": 3}})
    queued = await service.send()

    async def waiting() -> list[Any]:
        return await service.database.fetch(
            """
            SELECT attempts, error_code, next_attempt_at - now() AS wait FROM notify.messages
             WHERE status = 'QUEUED' AND rounds = 1
            """
        )

    [row] = await eventually(waiting)
    assert (3, "20429") == (row["attempts"], row["error_code"])
    assert 10 < row["wait"].total_seconds() < 20
    await service.database.execute("UPDATE notify.messages SET next_attempt_at = now()")
    assert 4 == (await service.message(queued.id, "SENT")).attempts


async def test_a_permanent_refusal_fails_with_its_code_at_once(service: Service) -> None:
    service.sandbox.change_settings({"twilioErrors": {ON_CALL: 21614}})
    queued = await service.send()

    failed = await service.message(queued.id, "FAILED")

    assert ("21614", 1) == (failed.error_code, failed.attempts)
    assert ["callplane.message.failed.v1"] == await event_types(service)


async def test_an_opt_out_that_only_the_provider_knows_becomes_a_suppression(service: Service) -> None:
    service.sandbox.change_settings({"twilioErrors": {ON_CALL: 21610}})
    queued = await service.send()
    await service.message(queued.id, "FAILED")

    code, _ = await refused(service.send())
    request = messages_pb2.ListSuppressionsRequest(phone_number=ON_CALL)
    listed = await service.suppressions.ListSuppressions(request, metadata=service.metadata)

    assert grpc.StatusCode.FAILED_PRECONDITION is code
    assert ["sms"] == [one.source for one in listed.suppressions]


async def test_who_opted_out_meanwhile_is_not_written_to(service: Service) -> None:
    """Both stand in the table before the sender looks."""
    await service.database.fetch(
        """
        WITH blocked AS (
            INSERT INTO notify.suppressions (org_id, phone_number, channel, source)
            VALUES ($1, $2, 'SMS', 'api')
        )
        INSERT INTO notify.messages (org_id, recipient, body) VALUES ($1, $2, 'x')
        """,
        service.org_id,
        BLOCKED,
    )

    async def suppressed() -> bool:
        return [STATUS(message.status) for message in await service.listed()] == ["SUPPRESSED"]

    await eventually(suppressed)
    assert [] == service.texts(BLOCKED)
    assert ["callplane.message.failed.v1"] == await event_types(service)


async def test_stop_suppresses_at_once_and_start_lifts_it(service: Service) -> None:
    async def text(body: str) -> None:
        request = messages_pb2.ReceiveMessageRequest(
            org_id=str(service.org_id), provider_message_id=f"SM{uuid4()}", body=body, **{"from": ON_CALL}
        )
        response = await service.intake.ReceiveMessage(request, metadata=service.metadata)
        assert "" == response.reply

    await text("Arrêt.")
    code, _ = await refused(service.send())
    await text("start")
    queued = await service.send()

    assert grpc.StatusCode.FAILED_PRECONDITION is code
    await service.message(queued.id, "SENT")
    told = [kind for kind in await event_types(service) if "suppression" in kind]
    assert ["callplane.suppression.created.v1", "callplane.suppression.deleted.v1"] == told


async def report(
    service: Service, sid: str, status: str, *, code: str = "", message_id: str = "", org_id: str = ""
) -> None:
    request = messages_pb2.ReceiveMessageStatusRequest(
        org_id=org_id or str(service.org_id),
        provider_message_id=sid,
        status=status,
        error_code=code,
        message_id=message_id,
    )
    await service.intake.ReceiveMessageStatus(request, metadata=service.metadata)


async def test_late_and_repeated_statuses_change_nothing(service: Service) -> None:
    sent = await service.message((await service.send()).id, "SENT")
    for status in ("delivered", "sent", "queued", "delivered", "undelivered"):
        await report(service, sent.provider_message_id, status)

    assert "DELIVERED" == STATUS((await service.message(sent.id, "DELIVERED")).status)
    assert ["callplane.message.sent.v1"] == await event_types(service)


async def test_an_undelivered_message_fails_with_the_carriers_code(service: Service) -> None:
    sent = await service.message((await service.send()).id, "SENT")
    await report(service, sent.provider_message_id, "undelivered", code="30003")

    failed = await service.message(sent.id, "FAILED")

    assert "30003" == failed.error_code
    assert ["callplane.message.sent.v1", "callplane.message.failed.v1"] == await event_types(service)


async def test_a_status_nobody_knows_is_not_found_so_that_the_provider_comes_again(service: Service) -> None:
    sent = await service.message((await service.send()).id, "SENT")

    unknown, _ = await refused(report(service, "SM-unknown", "sent"))
    foreign, _ = await refused(report(service, sent.provider_message_id, "delivered", org_id=str(uuid4())))

    assert [grpc.StatusCode.NOT_FOUND] * 2 == [unknown, foreign]


async def test_own_events_can_be_read_by_the_others(service: Service) -> None:
    await service.message((await service.send()).id, "SENT")
    stream = service.events.Subscribe(events_pb2.SubscribeRequest(), metadata=service.peer.metadata())

    batch = await anext(aiter(stream))
    stream.cancel()

    sent = events_pb2.MessageSent()
    assert batch.events[0].data.Unpack(sent)
    assert ("notify", ON_CALL) == (batch.events[0].source, sent.message.to)
