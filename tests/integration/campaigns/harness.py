"""A running `campaigns` with its neighbors, and what a test asks of it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from callplane.campaigns.v2 import (
    assistants_pb2,
    assistants_pb2_grpc,
    campaigns_pb2,
    campaigns_pb2_grpc,
    contacts_pb2,
    contacts_pb2_grpc,
)
from libs.environment import Secret
from libs.rpc import Peer, PrincipalSigner
from libs.rpc.convert import struct
from services.campaigns.app import Running
from services.campaigns.config import Config
from tests.integration.campaigns.fake_calls import EventLog, FakeCalls
from tests.support.postgres import Database
from tests.support.waiting import eventually

PRINCIPAL_SECRET = "principal-secret-of-the-campaigns-tests"
ORG = UUID("0190a000-0000-7000-8000-000000000001")
OTHER_ORG = UUID("0190a000-0000-7000-8000-000000000002")
FIRST_PHONE = 15145550100

T = TypeVar("T")


def config(database: Database, *, calls: str, notify: str, **changes: Any) -> Config:
    settings: dict[str, Any] = {
        "database_url": Secret(database.dsn("campaigns")),
        "worker_database_url": Secret(database.dsn("campaigns_worker")),
        "listen": "127.0.0.1:0",
        "calls_address": calls,
        "notify_address": notify,
        "principal_secret": Secret(PRINCIPAL_SECRET),
        # Far away, so that nothing passes only thanks to the safety net.
        "tick_seconds": 600.0,
        "reconcile_seconds": 0.1,
    }
    return Config(**{**settings, **changes})


def contacts_csv(count: int, *, first: int = FIRST_PHONE) -> bytes:
    rows = "".join(f"Person {n},Business {n},+{first + n}\n" for n in range(count))
    return f"name,business_name,phone\n{rows}".encode()


async def import_requests(
    campaign_id: str, pieces: Iterable[bytes], *, region: str = ""
) -> AsyncIterator[campaigns_pb2.ImportContactsRequest]:
    yield campaigns_pb2.ImportContactsRequest(campaign_id=campaign_id, default_region=region)
    for piece in pieces:
        yield campaigns_pb2.ImportContactsRequest(chunk=piece)


@dataclass(frozen=True)
class Refusal:
    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    # What is wrong with each field.
    violations: dict[str, str]

    @property
    def fields(self) -> list[str]:
        return list(self.violations)


async def refused(call: Awaitable[Any]) -> Refusal:
    """What a call was refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    error = raised.value
    status: Any = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    bad_request = error_details_pb2.BadRequest()
    for detail in status.details[1:]:
        detail.Unpack(bad_request)
    violations = {one.field: one.description for one in bad_request.field_violations}
    return Refusal(error.code(), info.reason, error.details() or "", dict(info.metadata), violations)


@dataclass(frozen=True)
class Service:
    # None where the service is a process of its own.
    running: Running | None
    database: Database
    calls: FakeCalls
    notify: EventLog
    peer: Peer

    @property
    def campaigns(self) -> campaigns_pb2_grpc.CampaignServiceStub:
        return campaigns_pb2_grpc.CampaignServiceStub(self.peer.channel)

    @property
    def assistants(self) -> assistants_pb2_grpc.AssistantServiceStub:
        return assistants_pb2_grpc.AssistantServiceStub(self.peer.channel)

    @property
    def contact_service(self) -> contacts_pb2_grpc.ContactServiceStub:
        return contacts_pb2_grpc.ContactServiceStub(self.peer.channel)

    def metadata(self, org_id: UUID = ORG, *, key: str = "") -> tuple[tuple[str, str], ...]:
        return (*self.peer.metadata(org_id), *((("idempotency-key", key),) if key else ()))

    async def assistant(self, org_id: UUID = ORG, **fields: Any) -> assistants_pb2.Assistant:
        request = assistants_pb2.CreateAssistantRequest(
            name=fields.get("name", "Caller"), config=struct({"firstMessage": "Hello"})
        )
        return await self.assistants.CreateAssistant(request, metadata=self.metadata(org_id))

    async def campaign(
        self, *, contacts: int = 0, org_id: UUID = ORG, first: int = FIRST_PHONE, **fields: Any
    ) -> campaigns_pb2.Campaign:
        if "assistant_id" not in fields:
            fields["assistant_id"] = (await self.assistant(org_id)).id
        request = campaigns_pb2.CreateCampaignRequest(
            **{"name": "Spring", "phone_number_id": "phone-1", **fields}
        )
        campaign = await self.campaigns.CreateCampaign(request, metadata=self.metadata(org_id))
        if contacts:
            report = await self.load(campaign.id, contacts_csv(contacts, first=first), org_id=org_id)
            assert contacts == report.accepted
        return campaign

    async def load(
        self, campaign_id: str, *pieces: bytes, org_id: UUID = ORG, region: str = ""
    ) -> campaigns_pb2.ImportContactsResponse:
        return await self.campaigns.ImportContacts(
            import_requests(campaign_id, pieces, region=region), metadata=self.metadata(org_id), timeout=60
        )

    async def start(self, campaign_id: str, *, org_id: UUID = ORG) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.StartCampaignRequest(id=campaign_id)
        return await self.campaigns.StartCampaign(request, metadata=self.metadata(org_id))

    async def pause(self, campaign_id: str, *, org_id: UUID = ORG) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.PauseCampaignRequest(id=campaign_id)
        return await self.campaigns.PauseCampaign(request, metadata=self.metadata(org_id))

    async def resume(self, campaign_id: str, *, org_id: UUID = ORG) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.ResumeCampaignRequest(id=campaign_id)
        return await self.campaigns.ResumeCampaign(request, metadata=self.metadata(org_id))

    async def cancel(self, campaign_id: str, *, org_id: UUID = ORG) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.CancelCampaignRequest(id=campaign_id)
        return await self.campaigns.CancelCampaign(request, metadata=self.metadata(org_id))

    async def get(self, campaign_id: str, *, org_id: UUID = ORG) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.GetCampaignRequest(id=campaign_id)
        return await self.campaigns.GetCampaign(request, metadata=self.metadata(org_id))

    async def update(self, campaign_id: str, *, org_id: UUID = ORG, **fields: Any) -> campaigns_pb2.Campaign:
        request = campaigns_pb2.UpdateCampaignRequest(id=campaign_id, **fields)
        return await self.campaigns.UpdateCampaign(request, metadata=self.metadata(org_id))

    async def delete(self, campaign_id: str, *, org_id: UUID = ORG) -> None:
        request = campaigns_pb2.DeleteCampaignRequest(id=campaign_id)
        await self.campaigns.DeleteCampaign(request, metadata=self.metadata(org_id))

    async def add_contacts(self, campaign_id: str, *phones: str) -> contacts_pb2.AddContactsResponse:
        new = [contacts_pb2.NewContact(name=f"Added {n}", phone=phone) for n, phone in enumerate(phones)]
        request = contacts_pb2.AddContactsRequest(campaign_id=campaign_id, contacts=new)
        return await self.contact_service.AddContacts(request, metadata=self.metadata())

    async def undo(self, campaign_id: str, import_id: str) -> contacts_pb2.Import:
        request = contacts_pb2.UndoImportRequest(campaign_id=campaign_id, id=import_id)
        return await self.contact_service.UndoImport(request, metadata=self.metadata())

    async def imports(self, campaign_id: str, *, page_size: int = 500) -> list[contacts_pb2.Import]:
        request = contacts_pb2.ListImportsRequest(campaign_id=campaign_id, page_size=page_size)
        found: list[contacts_pb2.Import] = []
        while True:
            page = await self.contact_service.ListImports(request, metadata=self.metadata())
            found += page.imports
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def attempts(self, campaign_id: str) -> list[campaigns_pb2.Attempt]:
        request = campaigns_pb2.ListAttemptsRequest(campaign_id=campaign_id, page_size=500)
        answer = await self.campaigns.ListAttempts(request, metadata=self.metadata())
        return list(answer.attempts)

    async def contacts(self, campaign_id: str) -> list[campaigns_pb2.Contact]:
        request = campaigns_pb2.ListContactsRequest(campaign_id=campaign_id, page_size=500)
        answer = await self.campaigns.ListContacts(request, metadata=self.metadata())
        return list(answer.contacts)

    async def export(self, campaign_id: str) -> str:
        request = campaigns_pb2.ExportCampaignRequest(campaign_id=campaign_id)
        stream = self.campaigns.ExportCampaign(request, metadata=self.metadata())
        return b"".join([response.chunk async for response in stream]).decode()

    async def until_status(
        self, campaign_id: str, status: str, *, within_seconds: float = 20.0
    ) -> campaigns_pb2.Campaign:
        async def look() -> campaigns_pb2.Campaign | None:
            found = await self.get(campaign_id)
            return found if campaigns_pb2.Campaign.Status.Name(found.status) == status else None

        found = await eventually(look, within_seconds=within_seconds)
        assert found is not None
        return found

    async def until(self, probe: Callable[[], Any], *, within_seconds: float = 10.0) -> None:
        async def look() -> Any:
            return probe()

        await eventually(look, within_seconds=within_seconds)

    async def eventually(self, probe: Callable[[], Awaitable[Any]], *, within_seconds: float = 10.0) -> None:
        await eventually(probe, within_seconds=within_seconds)

    async def outbox(self, event_type: str) -> list[Any]:
        return await self.database.fetch(
            "SELECT subject, data, traceparent FROM campaigns.outbox WHERE type = $1 ORDER BY xid, position",
            event_type,
        )


def signer() -> PrincipalSigner:
    return PrincipalSigner(PRINCIPAL_SECRET)
