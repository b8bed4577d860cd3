"""WebhookService."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import empty_pb2

from callplane.notify.v2 import webhooks_pb2, webhooks_pb2_grpc
from libs.pg import Pool
from libs.rpc import pages, principal
from libs.rpc.convert import struct
from libs.vault import Vault
from services.notify.domain.catalogue import EVENT_TYPES
from services.notify.operations import webhooks
from services.notify.operations.webhooks import UrlGuard
from services.notify.rpc import convert


class WebhookServicer(webhooks_pb2_grpc.WebhookServiceServicer):
    """`wake` starts the deliverer on what was just queued."""

    def __init__(self, pool: Pool, *, guard: UrlGuard, vault: Vault, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._guard = guard
        self._vault = vault
        self._wake = wake

    async def CreateWebhook(
        self, request: webhooks_pb2.CreateWebhookRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Webhook:
        created = await webhooks.create_webhook(
            self._pool,
            org_id=principal().org_id,
            url=request.url,
            events=request.events,
            assistant_id=request.assistant_id,
            guard=self._guard,
            vault=self._vault,
        )
        return convert.webhook(created.webhook, secret=created.secret)

    async def GetWebhook(
        self, request: webhooks_pb2.GetWebhookRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Webhook:
        found = await webhooks.get_webhook(self._pool, org_id=principal().org_id, webhook_id=UUID(request.id))
        return convert.webhook(found)

    async def ListWebhooks(
        self, request: webhooks_pb2.ListWebhooksRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.ListWebhooksResponse:
        limit = pages.size(request.page_size)
        found = await webhooks.list_webhooks(
            self._pool, org_id=principal().org_id, before=convert.place(request.page_token), limit=limit
        )
        return webhooks_pb2.ListWebhooksResponse(
            webhooks=map(convert.webhook, found), next_page_token=convert.next_page_token(found, limit=limit)
        )

    async def UpdateWebhook(
        self, request: webhooks_pb2.UpdateWebhookRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Webhook:
        updated = await webhooks.update_webhook(
            self._pool,
            org_id=principal().org_id,
            webhook_id=UUID(request.id),
            url=request.url if request.HasField("url") else None,
            events=request.events,
            enabled=request.enabled if request.HasField("enabled") else None,
            guard=self._guard,
        )
        self._wake()
        return convert.webhook(updated)

    async def DeleteWebhook(
        self, request: webhooks_pb2.DeleteWebhookRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> empty_pb2.Empty:
        await webhooks.delete_webhook(self._pool, org_id=principal().org_id, webhook_id=UUID(request.id))
        return empty_pb2.Empty()

    async def TestWebhook(
        self, request: webhooks_pb2.TestWebhookRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Delivery:
        queued = await webhooks.test_webhook(
            self._pool, org_id=principal().org_id, webhook_id=UUID(request.id)
        )
        self._wake()
        return convert.delivery(queued)

    async def RotateWebhookSecret(
        self, request: webhooks_pb2.RotateWebhookSecretRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Webhook:
        rotated = await webhooks.rotate_secret(
            self._pool, org_id=principal().org_id, webhook_id=UUID(request.id), vault=self._vault
        )
        return convert.webhook(rotated.webhook, secret=rotated.secret)

    async def ListDeliveries(
        self, request: webhooks_pb2.ListDeliveriesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.ListDeliveriesResponse:
        limit = pages.size(request.page_size)
        found = await webhooks.list_deliveries(
            self._pool,
            org_id=principal().org_id,
            webhook_id=UUID(request.webhook_id),
            status=webhooks_pb2.Delivery.Status.Name(request.status) if request.status else "",
            before=convert.place(request.page_token),
            limit=limit,
        )
        return webhooks_pb2.ListDeliveriesResponse(
            deliveries=map(convert.delivery, found),
            next_page_token=convert.next_page_token(found, limit=limit),
        )

    async def RetryDelivery(
        self, request: webhooks_pb2.RetryDeliveryRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.Delivery:
        retried = await webhooks.retry_delivery(
            self._pool, org_id=principal().org_id, delivery_id=UUID(request.id)
        )
        self._wake()
        return convert.delivery(retried)

    async def ListEventTypes(
        self, request: webhooks_pb2.ListEventTypesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> webhooks_pb2.ListEventTypesResponse:
        return webhooks_pb2.ListEventTypesResponse(
            event_types=[
                webhooks_pb2.EventType(
                    name=event_type.name,
                    description=event_type.description,
                    example=struct(event_type.example),
                )
                for event_type in EVENT_TYPES
            ]
        )
