"""One `notify` beside fake logs of `calls` and `campaigns`, the sandbox for its texts, and real receivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.message import Message
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callplane.events.v1 import events_pb2, events_pb2_grpc
from callplane.notify.v2 import messages_pb2, messages_pb2_grpc, webhooks_pb2, webhooks_pb2_grpc
from deploy.sandbox.app import http_server, listening_socket
from deploy.sandbox.sandbox import Sandbox
from libs.environment import Secret
from libs.rpc import Peer, PrincipalSigner, serving
from services.notify.config import Config
from tests.support.postgres import Database
from tests.support.waiting import eventually

ACCOUNT = "AC" + "0" * 32
TOKEN = "sandbox-auth-token"
SENDER = "+15148447210"
ON_CALL = "+15145550199"
PRINCIPAL_SECRET = "a secret that only tests know, at length"


def signer() -> PrincipalSigner:
    return PrincipalSigner(PRINCIPAL_SECRET)


def config(database: Database, *, calls: str, campaigns: str, twilio: str, **changes: Any) -> Config:
    defaults: dict[str, Any] = {
        "database_url": Secret(database.dsn("notify")),
        "worker_database_url": Secret(database.dsn("notify_worker")),
        "listen": "127.0.0.1:0",
        "calls_address": calls,
        "campaigns_address": campaigns,
        "principal_secret": Secret(PRINCIPAL_SECRET),
        "encryption_key": Secret("another secret that only tests know"),
        "twilio_base_url": twilio,
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": Secret(TOKEN),
        "twilio_from": SENDER,
        "allow_private_urls": True,
        "send_retry_seconds": 0.02,
        "pool_size_max": 3,
        "worker_pool_size_max": 6,
    }
    return Config(**{**defaults, **changes})


class EventLog(events_pb2_grpc.EventServiceServicer):
    """Another service's log: the cursor is the number of events read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.events: list[events_pb2.Event] = []
        self._more = asyncio.Condition()

    async def append(
        self, event_type: str, *, subject: str, org_id: UUID, data: Message, traceparent: str = ""
    ) -> events_pb2.Event:
        packed = any_pb2.Any()
        packed.Pack(data)
        event = events_pb2.Event(
            id=str(uuid4()),
            source=self._source,
            type=event_type,
            subject=subject,
            org_id=str(org_id),
            data=packed,
            traceparent=traceparent,
        )
        event.time.GetCurrentTime()
        await self.repeat(event)
        return event

    async def repeat(self, event: events_pb2.Event) -> None:
        """The same event once more, as after a restored backup of the log."""
        async with self._more:
            self.events.append(event)
            self._more.notify_all()

    async def Subscribe(
        self, request: events_pb2.SubscribeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[events_pb2.SubscribeResponse]:
        at = int(request.after or 0)
        while True:
            async with self._more:
                await self._more.wait_for(lambda: len(self.events) > at)  # noqa: B023
            batch = self.events[at : at + (request.batch_max or 100)]
            at += len(batch)
            wanted = [event for event in batch if not request.types or event.type in request.types]
            yield events_pb2.SubscribeResponse(events=wanted, cursor=str(at))


@asynccontextmanager
async def serving_log(log: EventLog) -> AsyncIterator[str]:
    def register(server: grpc.aio.Server) -> None:
        events_pb2_grpc.add_EventServiceServicer_to_server(log, server)

    async with serving(
        listen="127.0.0.1:0",
        service="fake",
        register=register,
        signer=signer(),
        reflection=False,
        grace_seconds=0.2,
    ) as server:
        yield f"127.0.0.1:{server.port}"


@dataclass
class Got:
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """A customer's system: a real HTTP server that keeps what it gets and answers as told, then with 200."""

    url: str = ""
    received: list[Got] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    # By path; each waits for its event before it answers.
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    async def take(self, request: Request) -> Response:
        got = Got(request.url.path, dict(request.headers), (await request.body()).decode())
        self.received.append(got)
        if got.path in self.held:
            await self.held[got.path].wait()
        return self.answers.pop(0) if self.answers else Response(status_code=200)

    async def has(self, count: int, *, path: str | None = None) -> list[Got]:
        async def enough() -> list[Got]:
            got = [one for one in self.received if path is None or one.path == path]
            return got if len(got) >= count else []

        return await eventually(enough)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    listener = listening_socket("127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = http_server(Starlette(routes=[Route("/{path:path}", receiver.take, methods=["POST"])]))
    serving_task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield receiver
    finally:
        for event in receiver.held.values():
            event.set()
        server.should_exit = True
        await serving_task


@dataclass
class Service:
    """A running `notify` as its callers see it."""

    port: int
    database: Database
    calls: EventLog
    campaigns: EventLog
    sandbox: Sandbox
    peer: Peer
    config: Config
    org_id: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        channel = self.peer.channel
        self.messages = messages_pb2_grpc.MessageServiceStub(channel)
        self.alerts = messages_pb2_grpc.AlertServiceStub(channel)
        self.suppressions = messages_pb2_grpc.SuppressionServiceStub(channel)
        self.intake = messages_pb2_grpc.MessageIntakeServiceStub(channel)
        self.webhooks = webhooks_pb2_grpc.WebhookServiceStub(channel)
        self.events = events_pb2_grpc.EventServiceStub(channel)

    def of(self, org_id: UUID) -> "Service":
        """The same service, as another organization."""
        return Service(
            self.port,
            self.database,
            self.calls,
            self.campaigns,
            self.sandbox,
            self.peer,
            self.config,
            org_id=org_id,
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return self.peer.metadata(self.org_id)

    async def policy(self, **fields: Any) -> messages_pb2.AlertPolicy:
        request = {"name": "On call", "priorities": ["P1", "P2"], "recipients": [ON_CALL], **fields}
        return await self.alerts.CreateAlertPolicy(
            messages_pb2.CreateAlertPolicyRequest(**request), metadata=self.metadata
        )

    async def send(self, to: str = ON_CALL, **fields: Any) -> messages_pb2.Message:
        request = messages_pb2.SendMessageRequest(to=to, **{"body": "Bonjour", **fields})
        return await self.messages.SendMessage(request, metadata=self.metadata)

    async def message(self, message_id: str, *status: str) -> messages_pb2.Message:
        """The message, once it has one of these statuses."""

        async def look() -> messages_pb2.Message | None:
            request = messages_pb2.GetMessageRequest(id=message_id)
            found = await self.messages.GetMessage(request, metadata=self.metadata)
            return found if messages_pb2.Message.Status.Name(found.status) in status else None

        found = await eventually(look)
        assert found is not None
        return found

    async def listed(self) -> list[messages_pb2.Message]:
        request = messages_pb2.ListMessagesRequest()
        return list((await self.messages.ListMessages(request, metadata=self.metadata)).messages)

    async def webhook(self, url: str, *events: str, **fields: Any) -> webhooks_pb2.Webhook:
        request = webhooks_pb2.CreateWebhookRequest(url=url, events=events or ["call.ended"], **fields)
        return await self.webhooks.CreateWebhook(request, metadata=self.metadata)

    async def deliveries(self, webhook_id: str) -> list[webhooks_pb2.Delivery]:
        request = webhooks_pb2.ListDeliveriesRequest(webhook_id=webhook_id)
        return list((await self.webhooks.ListDeliveries(request, metadata=self.metadata)).deliveries)

    async def delivery(self, webhook_id: str, *status: str) -> webhooks_pb2.Delivery:
        """The latest delivery of a webhook, once it has one of these statuses."""

        async def look() -> webhooks_pb2.Delivery | None:
            found = await self.deliveries(webhook_id)
            name = webhooks_pb2.Delivery.Status.Name
            return found[0] if found and name(found[0].status) in status else None

        found = await eventually(look)
        assert found is not None
        return found

    async def call_ended(self, *, call_id: str = "", assistant_id: str = "") -> events_pb2.Event:
        snapshot = events_pb2.CallSnapshot(
            id=call_id or str(uuid4()), status="ENDED", assistant_id=assistant_id, cost_usd="0.1250"
        )
        return await self.tell("callplane.call.ended.v1", snapshot.id, events_pb2.CallEnded(call=snapshot))

    async def lead_created(
        self, *, priority: str = "P1", lead_id: str = "", **fields: Any
    ) -> events_pb2.Event:
        lead = lead_snapshot(priority=priority, lead_id=lead_id, **fields)
        return await self.tell("callplane.lead.created.v1", lead.id, events_pb2.LeadCreated(lead=lead))

    async def lead_updated(self, *, priority: str, previous: str, lead_id: str) -> events_pb2.Event:
        lead = lead_snapshot(priority=priority, lead_id=lead_id)
        data = events_pb2.LeadUpdated(lead=lead, previous_priority=previous)
        return await self.tell("callplane.lead.updated.v1", lead.id, data)

    async def tell(
        self, event_type: str, subject: str, data: Message, *, traceparent: str = ""
    ) -> events_pb2.Event:
        return await self.calls.append(
            event_type, subject=subject, org_id=self.org_id, data=data, traceparent=traceparent
        )

    def texts(self, to: str = ON_CALL) -> list[str]:
        """What the provider has for a number."""
        found = self.sandbox.messages.messages.values()
        return [text.body for text in found if text.to == to and text.direction == "outbound-api"]


def lead_snapshot(*, priority: str, lead_id: str = "", **fields: Any) -> events_pb2.LeadSnapshot:
    defaults = {
        "call_id": str(uuid4()),
        "customer_number": "+15142885071",
        "customer_name": "Marie Tremblay",
        "priority_reason": "urgence_immediate",
        "problem_description": "Eau dans le sous-sol",
        "sla_seconds": 0,
    }
    return events_pb2.LeadSnapshot(id=lead_id or str(uuid4()), priority=priority, **{**defaults, **fields})
