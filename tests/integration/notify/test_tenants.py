"""Two organizations that never meet, over every operation that names something."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from callplane.notify.v2 import messages_pb2, webhooks_pb2
from libs.rpc import Principal, PrincipalSigner
from libs.rpc.principals import METADATA_KEY
from tests.integration.notify.harness import Receiver, Service, signer

# Each: the stub's name, the method, and the request that names a thing of the first organization.
Named = tuple[str, str, Callable[[dict[str, str]], Any]]
NAMED: list[Named] = [
    ("messages", "GetMessage", lambda ids: messages_pb2.GetMessageRequest(id=ids["message"])),
    ("alerts", "UpdateAlertPolicy", lambda ids: messages_pb2.UpdateAlertPolicyRequest(id=ids["policy"])),
    ("alerts", "DeleteAlertPolicy", lambda ids: messages_pb2.DeleteAlertPolicyRequest(id=ids["policy"])),
    ("alerts", "AcknowledgeAlert", lambda ids: messages_pb2.AcknowledgeAlertRequest(id=ids["alert"])),
    (
        "suppressions",
        "DeleteSuppression",
        lambda ids: messages_pb2.DeleteSuppressionRequest(id=ids["suppression"]),
    ),
    ("webhooks", "GetWebhook", lambda ids: webhooks_pb2.GetWebhookRequest(id=ids["webhook"])),
    (
        "webhooks",
        "UpdateWebhook",
        lambda ids: webhooks_pb2.UpdateWebhookRequest(id=ids["webhook"], enabled=False),
    ),
    ("webhooks", "DeleteWebhook", lambda ids: webhooks_pb2.DeleteWebhookRequest(id=ids["webhook"])),
    ("webhooks", "TestWebhook", lambda ids: webhooks_pb2.TestWebhookRequest(id=ids["webhook"])),
    (
        "webhooks",
        "RotateWebhookSecret",
        lambda ids: webhooks_pb2.RotateWebhookSecretRequest(id=ids["webhook"]),
    ),
    ("webhooks", "ListDeliveries", lambda ids: webhooks_pb2.ListDeliveriesRequest(webhook_id=ids["webhook"])),
    ("webhooks", "RetryDelivery", lambda ids: webhooks_pb2.RetryDeliveryRequest(id=ids["delivery"])),
]
LISTS: list[tuple[str, str, Any, str]] = [
    ("messages", "ListMessages", messages_pb2.ListMessagesRequest(), "messages"),
    ("alerts", "ListAlertPolicies", messages_pb2.ListAlertPoliciesRequest(), "alert_policies"),
    ("alerts", "ListAlerts", messages_pb2.ListAlertsRequest(), "alerts"),
    ("suppressions", "ListSuppressions", messages_pb2.ListSuppressionsRequest(), "suppressions"),
    ("webhooks", "ListWebhooks", webhooks_pb2.ListWebhooksRequest(), "webhooks"),
]


async def one_of_each(service: Service, receiver: Receiver) -> dict[str, str]:
    webhook = await service.webhook(receiver.url, "lead.created")
    policy = await service.policy()
    await service.lead_created()
    delivery = await service.delivery(webhook.id, "DELIVERED")
    alerts = await service.alerts.ListAlerts(messages_pb2.ListAlertsRequest(), metadata=service.metadata)
    [alert] = alerts.alerts
    request = messages_pb2.CreateSuppressionRequest(phone_number="+15145550111")
    suppression = await service.suppressions.CreateSuppression(request, metadata=service.metadata)
    return {
        "webhook": webhook.id,
        "policy": policy.id,
        "delivery": delivery.id,
        "alert": alert.id,
        "message": alert.message_ids[0],
        "suppression": suppression.id,
    }


async def test_nothing_of_one_organization_can_be_read_or_touched_by_another(
    service: Service, receiver: Receiver
) -> None:
    ids = await one_of_each(service, receiver)
    other = service.of(uuid4())
    before = await service.database.fetch("SELECT id, enabled, deleted_at, url FROM notify.webhooks")

    codes = {}
    for stub, method, request in NAMED:
        try:
            await getattr(getattr(other, stub), method)(request(ids), metadata=other.metadata)
            codes[method] = "OK"
        except grpc.aio.AioRpcError as error:
            codes[method] = error.code().name
    counts = {}
    for stub, method, request, field in LISTS:
        for one in (service, other):
            answer = await getattr(getattr(one, stub), method)(request, metadata=one.metadata)
            counts[method, one.org_id == other.org_id] = len(getattr(answer, field))

    assert {method: "NOT_FOUND" for _, method, _ in NAMED} == codes
    assert {method: 1 for _, method, _, _ in LISTS} == {
        m: n for (m, is_other), n in counts.items() if not is_other
    }
    assert {method: 0 for _, method, _, _ in LISTS} == {
        m: n for (m, is_other), n in counts.items() if is_other
    }
    assert before == await service.database.fetch("SELECT id, enabled, deleted_at, url FROM notify.webhooks")


@pytest.mark.parametrize(
    ("scopes", "code"),
    [
        ({"messages:read"}, grpc.StatusCode.PERMISSION_DENIED),
        ({"messages:write"}, grpc.StatusCode.OK),
        ({"admin"}, grpc.StatusCode.OK),
    ],
)
async def test_a_key_may_do_what_its_scopes_say(
    service: Service, scopes: set[str], code: grpc.StatusCode
) -> None:
    key = Principal(subject="key:1", org_id=service.org_id, scopes=frozenset(scopes))
    metadata = ((METADATA_KEY, signer().sign(key)),)
    request = messages_pb2.SendMessageRequest(to="+15145550199", body="x")
    call = service.messages.SendMessage(request, metadata=metadata)

    assert code is await call.code()


async def test_no_key_may_speak_for_the_message_provider(service: Service) -> None:
    key = Principal(subject="key:1", org_id=service.org_id, scopes=frozenset({"admin"}))
    metadata = ((METADATA_KEY, signer().sign(key)),)
    request = messages_pb2.ReceiveMessageRequest(
        org_id=str(service.org_id), provider_message_id="SM1", body="STOP", **{"from": "+15145550199"}
    )
    forged = ((METADATA_KEY, PrincipalSigner("x" * 40).sign(key)),)

    assert (
        grpc.StatusCode.PERMISSION_DENIED
        is await service.intake.ReceiveMessage(request, metadata=metadata).code()
    )
    assert (
        grpc.StatusCode.UNAUTHENTICATED
        is await service.intake.ReceiveMessage(request, metadata=forged).code()
    )


async def test_without_an_organization_the_request_role_sees_nothing(
    service: Service, receiver: Receiver
) -> None:
    await one_of_each(service, receiver)
    async with service.database.pool("notify") as pool, pool.acquire() as conn:
        for table in ("messages", "alerts", "alert_policies", "suppressions", "webhooks", "deliveries"):
            assert 0 == await conn.fetchval(f"SELECT count(*) FROM notify.{table}")  # noqa: S608  a fixed list
