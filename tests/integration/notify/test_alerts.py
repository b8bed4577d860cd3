"""From a lead to the text on somebody's phone."""

from uuid import uuid4

import grpc
import pytest

from callplane.events.v1 import events_pb2
from callplane.notify.v2 import messages_pb2
from libs.rpc import to_service_error
from tests.integration.notify.harness import ON_CALL, Service, lead_snapshot
from tests.support.waiting import eventually

SECOND = "+15145550188"


async def texts(service: Service, count: int, *, to: str = ON_CALL) -> list[str]:
    async def enough() -> list[str]:
        found = service.texts(to)
        return found if len(found) >= count else []

    return await eventually(enough)


async def alerts(service: Service) -> list[messages_pb2.Alert]:
    request = messages_pb2.ListAlertsRequest()
    return list((await service.alerts.ListAlerts(request, metadata=service.metadata)).alerts)


async def test_an_urgent_lead_is_texted_once_to_each_recipient(
    service: Service,
) -> None:
    await service.policy(recipients=[ON_CALL, SECOND])
    event = await service.lead_created(priority="P1")
    await service.calls.repeat(event)
    await service.calls.repeat(event)
    await service.lead_created(priority="P1", customer_name="Later")

    await texts(service, 2, to=SECOND)
    first, _ = await texts(service, 2)

    assert "P1 urgence immediate\nMarie Tremblay, +15142885071\nEau dans le sous-sol" in first
    assert (2, 2) == (len(service.texts()), len(service.texts(SECOND)))
    assert [2, 2] == [len(alert.message_ids) for alert in await alerts(service)]


async def test_a_raised_priority_alerts_again_and_a_lowered_one_does_not(service: Service) -> None:
    await service.policy(template="{priority} for {customer_name}")
    lead_id = str(uuid4())
    await service.lead_created(priority="P4", lead_id=lead_id)
    await service.lead_updated(priority="P2", previous="P4", lead_id=lead_id)
    await service.lead_updated(priority="P1", previous="P2", lead_id=lead_id)
    await service.lead_updated(priority="P2", previous="P1", lead_id=lead_id)
    await service.lead_updated(priority="P1", previous="P2", lead_id=lead_id)
    await service.lead_created(priority="P1", customer_name="The end")

    sent = await texts(service, 3)

    assert ["P1 for Marie Tremblay", "P1 for The end", "P2 for Marie Tremblay"] == sorted(sent)


async def test_other_priorities_policies_and_organizations_do_not_alert(
    service: Service,
) -> None:
    policy = await service.policy(recipients=[SECOND])
    off = messages_pb2.UpdateAlertPolicyRequest(id=policy.id, active=False)
    await service.alerts.UpdateAlertPolicy(off, metadata=service.metadata)
    await service.policy()
    await service.lead_created(priority="P3")
    await service.of(uuid4()).lead_created(priority="P1")
    await service.lead_created(priority="P1")

    await texts(service, 1)

    assert (1, 0) == (len(service.texts()), len(service.texts(SECOND)))
    assert 1 == len(await alerts(service))


async def test_the_latest_alert_is_acknowledged_by_text_and_only_once(service: Service) -> None:
    await service.policy()
    await service.lead_created()
    await texts(service, 1)

    async def reply(text: str, sid: str) -> str:
        request = messages_pb2.ReceiveMessageRequest(
            org_id=str(service.org_id),
            provider_message_id=sid,
            to="+15148447210",
            body=text,
            **{"from": ON_CALL},
        )
        return (await service.intake.ReceiveMessage(request, metadata=service.metadata)).reply

    first, again, nothing_left = (
        await reply("ack!", "SM1"),
        await reply("ack!", "SM1"),
        await reply("ACK", "SM2"),
    )
    [alert] = await alerts(service)

    assert first == again != nothing_left
    assert (messages_pb2.Alert.ACKNOWLEDGED, ON_CALL) == (alert.status, alert.acknowledged_by)
    assert "STOP" in await reply("Help", "SM3")


async def test_an_alert_acknowledged_over_the_api_names_who_did_it(service: Service) -> None:
    await service.policy()
    await service.lead_created()
    await texts(service, 1)
    [alert] = await alerts(service)

    request = messages_pb2.AcknowledgeAlertRequest(id=alert.id)
    first = await service.alerts.AcknowledgeAlert(request, metadata=service.metadata)
    again = await service.alerts.AcknowledgeAlert(request, metadata=service.metadata)

    assert first == again
    assert "service:tests" == first.acknowledged_by


async def test_a_deleted_policy_is_gone_and_its_alerts_stay(service: Service) -> None:
    policy = await service.policy()
    await service.lead_created()
    await texts(service, 1)
    request = messages_pb2.DeleteAlertPolicyRequest(id=policy.id)
    await service.alerts.DeleteAlertPolicy(request, metadata=service.metadata)

    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await service.alerts.DeleteAlertPolicy(request, metadata=service.metadata)

    assert grpc.StatusCode.NOT_FOUND is missing.value.code()
    assert 1 == len(await alerts(service))


async def test_a_lead_that_cannot_be_read_does_not_hold_up_the_others(service: Service) -> None:
    await service.policy()
    await service.tell("callplane.lead.created.v1", "broken", events_pb2.MessageSent())
    await service.lead_created()

    assert 1 == len(await texts(service, 1))


async def alert_requested(service: Service, *, priority: str = "P1", **fields: str) -> events_pb2.Event:
    lead = lead_snapshot(priority="P4", **fields)
    data = events_pb2.AlertRequested(lead=lead, priority=priority, message="The cellar is full.")
    return await service.tell("callplane.alert.requested.v1", lead.id, data)


async def test_what_an_assistant_asks_for_is_texted_to_the_people_on_call(service: Service) -> None:
    """RU-5: sendSMSAlert reaches those whom the policies of its priority name, once per call."""
    await service.policy(template="{priority}: {problem_description}")
    lead_id, call_id = str(uuid4()), str(uuid4())
    event = await alert_requested(service, lead_id=lead_id, call_id=call_id)
    await service.calls.repeat(event)
    await alert_requested(service, lead_id=lead_id, call_id=call_id)
    await alert_requested(service, lead_id=lead_id, call_id=str(uuid4()))
    await alert_requested(service, priority="P3")
    await service.lead_created(priority="P2", problem_description="The end")

    sent = await texts(service, 3)

    assert ["P1: The cellar is full."] * 2 + ["P2: The end"] == sorted(sent)
    assert 2 == len(await alerts(service))


async def test_an_opt_out_during_a_call_counts_at_once(service: Service) -> None:
    """RU-5: recordOptOut; the campaigns hear of it like of every other."""
    data = events_pb2.OptOutRecorded(phone_number=SECOND, channel="ALL", call_id=str(uuid4()))
    event = await service.tell("callplane.opt_out.recorded.v1", data.call_id, data)
    await service.calls.repeat(event)
    request = messages_pb2.ListSuppressionsRequest(phone_number=SECOND)

    async def listed() -> list[messages_pb2.Suppression]:
        found = await service.suppressions.ListSuppressions(request, metadata=service.metadata)
        return list(found.suppressions)

    [suppression] = await eventually(listed)
    assert (messages_pb2.Suppression.ALL, "call") == (suppression.channel, suppression.source)
    queued = messages_pb2.SendMessageRequest(to=SECOND, body="Hello")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.messages.SendMessage(queued, metadata=service.metadata)
    assert "RECIPIENT_SUPPRESSED" == to_service_error(refused.value).reason
    rows = await service.database.fetch(
        "SELECT id FROM notify.outbox WHERE type = 'callplane.suppression.created.v1'"
    )
    assert 1 == len(rows)
