"""`calls` for tests: the fold without a server around it, and the whole service over its sockets."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
import pytest

from callplane.calls.v2 import (
    adjustments_pb2_grpc,
    calls_pb2,
    calls_pb2_grpc,
    intake_pb2,
    intake_pb2_grpc,
    leads_pb2_grpc,
    rules_pb2_grpc,
    services_pb2_grpc,
    transfers_pb2_grpc,
)
from libs import pg
from libs.environment import Secret
from libs.rpc import Peer, PrincipalSigner, convert, to_service_error
from services.calls.app import folding, running
from services.calls.config import Config
from services.calls.domain.webhooks import IncomingWebhook
from services.calls.operations.fold import Fold
from services.calls.operations.ingest import Ingest
from services.calls.operations.lead_clock import LeadClock
from services.calls.operations.leads import Leads
from services.calls.operations.rules import Rules
from tests.support.postgres import Database
from tests.support.waiting import eventually

ORG = UUID("0195f3a0-0000-7000-8000-000000000001")
OTHER_ORG = UUID("0195f3a0-0000-7000-8000-000000000002")
SOURCE = UUID("0195f3a0-0000-7000-8000-00000000000a")
SECRET = "a secret of at least thirty-two characters"


@dataclass
class House:
    """The record half of the service on a real database."""

    database: Database
    worker_pool: pg.Pool
    request_pool: pg.Pool
    ingest: Ingest
    fold: Fold
    rules: Rules
    leads: Leads
    lead_clock: LeadClock

    async def post(
        self, *bodies: bytes, org_id: UUID = ORG, source_id: UUID = SOURCE, at: datetime | None = None
    ) -> int:
        """One batch of webhooks into the ledger; returns how many were new."""
        webhooks = [
            IncomingWebhook(
                source_id=source_id,
                org_id=org_id,
                provider="vapi",
                body=body,
                received_at=at or datetime.now(UTC),
                traceparent="",
            )
            for body in bodies
        ]
        return await self.ingest.ingest(webhooks)

    async def fold_all(self) -> None:
        while await self.fold.step():
            pass

    async def told(self, *bodies: bytes, org_id: UUID = ORG) -> None:
        await self.post(*bodies, org_id=org_id)
        await self.fold_all()

    async def call(self, provider_call_id: str, *, org_id: UUID = ORG) -> dict[str, Any]:
        rows = await self.database.fetch(
            "SELECT * FROM calls.calls WHERE org_id = $1 AND provider_call_id = $2", org_id, provider_call_id
        )
        assert len(rows) == 1
        return dict(rows[0])

    async def events(self, subject: str | None = None) -> list[str]:
        rows = await self.database.fetch(
            "SELECT type FROM calls.outbox WHERE $1::text IS NULL OR subject = $1 ORDER BY xid, position",
            subject,
        )
        return [row["type"].removeprefix("callplane.").removesuffix(".v1") for row in rows]

    async def count(self, table: str) -> int:
        # Names of tables come from the tests themselves.
        return int((await self.database.fetch(f"SELECT count(*) FROM calls.{table}"))[0]["count"])  # noqa: S608


@dataclass
class Service:
    """The running service and stubs for it; `as_org` is the metadata of a caller."""

    port: int
    peer: Peer

    @property
    def calls(self) -> calls_pb2_grpc.CallServiceStub:
        return calls_pb2_grpc.CallServiceStub(self.peer.channel)

    @property
    def ledger(self) -> intake_pb2_grpc.ProviderEventServiceStub:
        return intake_pb2_grpc.ProviderEventServiceStub(self.peer.channel)

    @property
    def rules(self) -> rules_pb2_grpc.RuleServiceStub:
        return rules_pb2_grpc.RuleServiceStub(self.peer.channel)

    @property
    def adjustments(self) -> adjustments_pb2_grpc.PricingAdjustmentServiceStub:
        return adjustments_pb2_grpc.PricingAdjustmentServiceStub(self.peer.channel)

    @property
    def services(self) -> services_pb2_grpc.ServiceRuleServiceStub:
        return services_pb2_grpc.ServiceRuleServiceStub(self.peer.channel)

    @property
    def transfers(self) -> transfers_pb2_grpc.TransferDestinationServiceStub:
        return transfers_pb2_grpc.TransferDestinationServiceStub(self.peer.channel)

    @property
    def leads(self) -> leads_pb2_grpc.LeadServiceStub:
        return leads_pb2_grpc.LeadServiceStub(self.peer.channel)

    def as_org(
        self, org_id: UUID = ORG, *, scopes: Sequence[str] = ("internal",)
    ) -> tuple[tuple[str, str], ...]:
        return self.peer.metadata(org_id, scopes=scopes)

    async def ingest(self, *bodies: bytes, org_id: UUID = ORG) -> int:
        stub = intake_pb2_grpc.IngestServiceStub(self.peer.channel)
        request = intake_pb2.IngestEventsRequest(events=[incoming(body, org_id=org_id) for body in bodies])
        return (await stub.IngestEvents(request, metadata=self.as_org(org_id))).stored

    async def answer(self, body: bytes, *, org_id: UUID = ORG) -> str:
        stub = intake_pb2_grpc.AnswerServiceStub(self.peer.channel)
        request = intake_pb2.AnswerEventRequest(event=incoming(body, org_id=org_id))
        return (await stub.AnswerEvent(request, metadata=self.as_org(org_id))).body


def incoming(body: bytes, *, org_id: UUID = ORG) -> intake_pb2.IncomingEvent:
    return intake_pb2.IncomingEvent(
        source_id=str(SOURCE),
        org_id=str(org_id),
        provider="vapi",
        body=body,
        received_at=convert.timestamp(datetime.now(UTC)),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


@asynccontextmanager
async def serving(database: Database, **changes: Any) -> AsyncIterator[Service]:
    fields: dict[str, Any] = {
        "database_url": Secret(database.dsn("calls")),
        "worker_database_url": Secret(database.dsn("calls_worker")),
        "listen": "127.0.0.1:0",
        "principal_secret": Secret(SECRET),
        # Each connection costs the database's server as much as several requests.
        "worker_pool_size_max": 5,
        # Nobody listens there; these tests place no calls.
        "vapi_base_url": "http://127.0.0.1:9",
        "vapi_api_key": Secret("key"),
        "webhook_url": "http://127.0.0.1:9/hooks",
    }
    config = Config(**{**fields, **changes})
    async with folding(config), running(config) as run:
        peer = Peer(f"127.0.0.1:{run.port}", signer=PrincipalSigner(SECRET), service="test")
        try:
            yield Service(port=run.port, peer=peer)
        finally:
            await peer.close()


async def reason_of(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return to_service_error(caught.value).reason


async def find_call(service: Service, provider_call_id: str, *, status: int | None = None) -> calls_pb2.Call:
    async def probe() -> calls_pb2.Call | None:
        listed = await service.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=service.as_org())
        return next(
            (
                call
                for call in listed.calls
                if call.provider_call_id == provider_call_id and status in (None, call.status)
            ),
            None,
        )

    return await eventually(probe)
