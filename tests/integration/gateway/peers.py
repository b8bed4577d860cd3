"""The services around the gateway, as real gRPC servers that remember what they were asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc.aio
from google.protobuf import empty_pb2

from callplane.calls.v2 import intake_pb2, intake_pb2_grpc
from callplane.campaigns.v2 import campaigns_pb2, campaigns_pb2_grpc
from callplane.notify.v2 import messages_pb2, messages_pb2_grpc
from libs.errors import NotFound, ServiceError
from libs.rpc import Principal, PrincipalSigner, RunningServer, principal, serving

_Context = grpc.aio.ServicerContext[Any, Any]


class FakeCalls(intake_pb2_grpc.IngestServiceServicer, intake_pb2_grpc.AnswerServiceServicer):
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.batches: list[Sequence[intake_pb2.IncomingEvent]] = []
        self.asked: list[intake_pb2.IncomingEvent] = []
        self.answer = '{"results":[]}'
        self.fail_with: ServiceError | None = None
        # Cleared, it keeps every call waiting, as a slow commit does.
        self.open = asyncio.Event()
        self.open.set()
        # The same for the ledger alone.
        self.ingest_open = asyncio.Event()
        self.ingest_open.set()

    @property
    def events(self) -> list[intake_pb2.IncomingEvent]:
        return [event for batch in self.batches for event in batch]

    async def IngestEvents(
        self, request: intake_pb2.IngestEventsRequest, context: _Context
    ) -> intake_pb2.IngestEventsResponse:
        await self.ingest_open.wait()
        await self._pass()
        self.batches.append(list(request.events))
        return intake_pb2.IngestEventsResponse(stored=len(request.events))

    async def AnswerEvent(
        self, request: intake_pb2.AnswerEventRequest, context: _Context
    ) -> intake_pb2.AnswerEventResponse:
        await self._pass()
        self.asked.append(request.event)
        return intake_pb2.AnswerEventResponse(body=self.answer)

    async def _pass(self) -> None:
        await self.open.wait()
        if self.fail_with is not None:
            raise self.fail_with


class FakeCampaigns(campaigns_pb2_grpc.CampaignServiceServicer):
    """Files only; what is asked of it otherwise is not implemented."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.imported = b""
        self.import_request = campaigns_pb2.ImportContactsRequest()
        self.principals: list[Principal] = []
        self.fail_with: ServiceError | None = None
        # True refuses an import before a byte of it is read, as a missing scope does.
        self.fail_early = False
        # True ends an import in the middle of the file, as no service of ours should.
        self.break_off = False
        self.export: list[bytes] = []

    async def ImportContacts(
        self, request_iterator: AsyncIterator[campaigns_pb2.ImportContactsRequest], context: _Context
    ) -> campaigns_pb2.ImportContactsResponse:
        self.principals.append(principal())
        if self.fail_with is not None and self.fail_early:
            raise self.fail_with
        await context.send_initial_metadata((("callplane-upload", "accepted"),))
        chunks: list[bytes] = []
        async for request in request_iterator:
            if request.campaign_id:
                self.import_request = request
            if self.break_off and chunks:
                raise NotFound
            chunks.append(request.chunk)
        if self.fail_with is not None:
            raise self.fail_with
        self.imported = b"".join(chunks)
        rejected = campaigns_pb2.RejectedRow(row=3, field="phone", reason="is not a number", value="abc")
        return campaigns_pb2.ImportContactsResponse(
            import_id="imp", total_rows=2, accepted=1, rejected=[rejected], duplicates=0
        )

    async def ExportCampaign(
        self, request: campaigns_pb2.ExportCampaignRequest, context: _Context
    ) -> AsyncIterator[campaigns_pb2.ExportCampaignResponse]:
        self.principals.append(principal())
        if self.fail_with is not None:
            raise self.fail_with
        for chunk in self.export:
            yield campaigns_pb2.ExportCampaignResponse(chunk=chunk)


class FakeNotify(messages_pb2_grpc.MessageIntakeServiceServicer):
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.statuses: list[messages_pb2.ReceiveMessageStatusRequest] = []
        self.messages: list[messages_pb2.ReceiveMessageRequest] = []
        self.reply = ""
        self.fail_with: ServiceError | None = None

    async def ReceiveMessageStatus(
        self, request: messages_pb2.ReceiveMessageStatusRequest, context: _Context
    ) -> empty_pb2.Empty:
        if self.fail_with is not None:
            raise self.fail_with
        self.statuses.append(request)
        return empty_pb2.Empty()

    async def ReceiveMessage(
        self, request: messages_pb2.ReceiveMessageRequest, context: _Context
    ) -> messages_pb2.ReceiveMessageResponse:
        if self.fail_with is not None:
            raise self.fail_with
        self.messages.append(request)
        return messages_pb2.ReceiveMessageResponse(reply=self.reply)


class Peers:
    """`servers` by name, for taking one down."""

    def __init__(self) -> None:
        self.calls = FakeCalls()
        # The gateway calls no other method.
        self.campaigns = FakeCampaigns()  # type: ignore[abstract]
        self.notify = FakeNotify()
        self.servers: dict[str, RunningServer] = {}

    async def reset(self) -> None:
        """Well, empty and willing again."""
        self.calls.reset()
        self.campaigns.reset()
        self.notify.reset()
        for server in self.servers.values():
            await server.set_serving(True)

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self.servers[name].port}"

    def _register_calls(self, server: grpc.aio.Server) -> None:
        intake_pb2_grpc.add_IngestServiceServicer_to_server(self.calls, server)
        intake_pb2_grpc.add_AnswerServiceServicer_to_server(self.calls, server)

    def _register_campaigns(self, server: grpc.aio.Server) -> None:
        campaigns_pb2_grpc.add_CampaignServiceServicer_to_server(self.campaigns, server)

    def _register_notify(self, server: grpc.aio.Server) -> None:
        messages_pb2_grpc.add_MessageIntakeServiceServicer_to_server(self.notify, server)

    @asynccontextmanager
    async def serving(self, signer: PrincipalSigner) -> AsyncIterator["Peers"]:
        registrations = {
            "calls": self._register_calls,
            "campaigns": self._register_campaigns,
            "notify": self._register_notify,
        }
        async with AsyncExitStack() as stack:
            for name, register in registrations.items():
                self.servers[name] = await stack.enter_async_context(
                    serving(
                        listen="127.0.0.1:0",
                        service=name,
                        register=register,
                        signer=signer,
                        reflection=False,
                        grace_seconds=0.2,
                    )
                )
                await self.servers[name].set_serving(True)
            yield self
