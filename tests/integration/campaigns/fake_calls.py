"""A stand-in for `calls`: a real gRPC server over its own state that plays scripted calls."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.message import Message

from callplane.calls.v2 import (
    calls_pb2,
    calls_pb2_grpc,
    lines_pb2,
    lines_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)
from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs.errors import Kind, NotFound, ServiceError
from libs.rpc import PrincipalSigner, principal, serving
from libs.rpc.convert import struct

_Context = grpc.aio.ServicerContext[Any, Any]
_Call = calls_pb2.Call


class FakeTrouble(ServiceError):
    """The fake was told to be in trouble."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"


class ProviderSaysNo(ServiceError):
    """The provider refused the configuration."""

    kind = Kind.BAD_INPUT
    reason = "PROVIDER_REFUSED"


@dataclass(frozen=True, kw_only=True)
class Script:
    """How a call goes. `seconds` None: it stays open until the test ends it."""

    result: str = "PLACED"
    reason: str = ""
    infrastructure: bool = False
    seconds: float | None = 0.02
    status: str = "ENDED"
    # Told at the end of the call, or only with the report.
    outcome: str = "HUMAN"
    outcome_with_report: bool = False
    report: bool = True
    cost_usd: str = "0.1250"
    duration_seconds: float = 30.0
    success: bool | None = True
    # Of an UNKNOWN placement: whether the call was made after all.
    made: bool = True


@dataclass
class FakeCall:
    call_id: str
    org_id: UUID
    request: calls_pb2.PlaceCallRequest
    script: Script
    status: str = "QUEUED"
    result: str = "PENDING"
    provider_call_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    traceparent: str = ""


class EventLog(events_pb2_grpc.EventServiceServicer):
    """Events in their order; the cursor is the number of those read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.events: list[events_pb2.Event] = []
        self._more = asyncio.Condition()

    async def append(
        self, event_type: str, subject: str, org_id: UUID, data: Message, *, traceparent: str = ""
    ) -> None:
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
        async with self._more:
            self.events.append(event)
            self._more.notify_all()

    async def Subscribe(
        self, request: events_pb2.SubscribeRequest, context: _Context
    ) -> AsyncIterator[events_pb2.SubscribeResponse]:
        at = int(request.after or 0)
        limit = request.batch_max or 100
        while True:
            async with self._more:
                await self._more.wait_for(lambda: len(self.events) > at)  # noqa: B023
            batch = self.events[at : at + limit]
            at += len(batch)
            wanted = [event for event in batch if not request.types or event.type in request.types]
            yield events_pb2.SubscribeResponse(events=wanted, cursor=str(at))


class FakeCalls(
    calls_pb2_grpc.CallServiceServicer,
    lines_pb2_grpc.LineServiceServicer,
    provider_pb2_grpc.ProviderAssistantServiceServicer,
):
    """`script` decides how each call goes; `capacity` how many the provider carries at once."""

    def __init__(self) -> None:
        self.script: Callable[[calls_pb2.PlaceCallRequest], Script] = lambda _: Script()
        self.capacity: int | None = None
        self.calls: dict[str, FakeCall] = {}
        # Every request to place a call, repeats included.
        self.requests: list[str] = []
        self.looked_up: list[str] = []
        # Calls of nobody's campaign on our phone number.
        self.others_on_line = 0
        self.active: set[str] = set()
        self.max_active = 0
        # The next requests fail: before anything was done, or after the call was placed.
        self.fail_before: list[ServiceError] = []
        self.fail_after: list[ServiceError] = []
        # Requests from these phone numbers are not answered until the event is set.
        self.hanging: dict[str, asyncio.Event] = {}
        self.log = EventLog("calls")
        self.assistants: dict[str, provider_pb2.ProviderAssistant] = {}
        self.assistant_trouble: ServiceError | None = None
        # Changes take effect, and then this is all that is heard of them.
        self.assistant_answer_lost: ServiceError | None = None
        # How often one was asked for, and what happens once in the middle of the next change.
        self.assistant_looks = 0
        self.assistant_told: Callable[[], Awaitable[object]] | None = None
        # What happens once while the next answer to a look is on its way.
        self.assistant_read: Callable[[], Awaitable[object]] | None = None
        self.assistant_writes: list[provider_pb2.UpdateProviderAssistantRequest] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def PlaceCall(
        self, request: calls_pb2.PlaceCallRequest, context: _Context
    ) -> calls_pb2.PlaceCallResponse:
        self.requests.append(request.call_id)
        if request.phone_number_id in self.hanging:
            await self.hanging[request.phone_number_id].wait()
        if self.fail_before:
            raise self.fail_before.pop(0)
        call = self.calls.get(request.call_id)
        if call is None:
            metadata = dict(context.invocation_metadata() or ())
            call = FakeCall(request.call_id, principal().org_id, request, self.script(request))
            call.traceparent = str(metadata.get("traceparent", ""))
            self.calls[request.call_id] = call
            await self._begin(call)
        if self.fail_after:
            raise self.fail_after.pop(0)
        placement = calls_pb2.Placement(
            result=calls_pb2.Placement.Result.Value(call.result),
            reason=call.script.reason if call.result in ("REFUSED", "UNKNOWN") else "",
            infrastructure=call.script.infrastructure,
        )
        return calls_pb2.PlaceCallResponse(call=self._proto(call), placement=placement)

    async def GetCall(self, request: calls_pb2.GetCallRequest, context: _Context) -> calls_pb2.Call:
        self.looked_up.append(request.id)
        call = self.calls.get(request.id)
        if call is None or call.org_id != principal().org_id:
            raise NotFound
        return self._proto(call)

    async def _begin(self, call: FakeCall) -> None:
        if self.capacity is not None and len(self.active) >= self.capacity:
            call.script = Script(result="REFUSED", reason="NO_LINE_FREE", infrastructure=True)
        call.result = call.script.result
        if call.result == "REFUSED":
            call.status = "FAILED"
            await self.tell("callplane.call.failed.v1", call)
        elif call.result == "PLACED":
            await self.connect(call.call_id)
        elif call.script.made:
            # The provider has it, but nobody knows yet.
            self._count(call)

    async def connect(self, call_id: str) -> None:
        """The provider took the call; it takes its course."""
        call = self.calls[call_id]
        call.provider_call_id = f"provider-{call_id}"
        call.result = "PLACED"
        self._count(call)
        await self.tell("callplane.call.placed.v1", call)
        if call.script.seconds is not None:
            task = asyncio.create_task(self._run(call, call.script.seconds))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def was_never_made(self, call_id: str) -> None:
        call = self.calls[call_id]
        call.status, call.result = "FAILED", "REFUSED"
        self.active.discard(call_id)
        await self.tell("callplane.call.failed.v1", call)

    async def pick_up(self, call_id: str) -> None:
        self.calls[call_id].status = "IN_PROGRESS"
        await self.tell("callplane.call.started.v1", self.calls[call_id])

    async def end(self, call_id: str, *, tell: bool = True, outcome: str = "") -> None:
        """With the outcome of its script, or with this one."""
        call = self.calls[call_id]
        call.script = replace(call.script, outcome=outcome or call.script.outcome)
        call.status = call.script.status
        self.active.discard(call_id)
        if not call.script.outcome_with_report:
            call.facts["outcome"] = call.script.outcome
        call.facts["ended_reason"] = "customer-ended-call"
        if tell:
            await self.tell(f"callplane.call.{'failed' if call.status == 'FAILED' else 'ended'}.v1", call)

    async def report(self, call_id: str, *, tell: bool = True) -> None:
        call = self.calls[call_id]
        call.facts |= {
            "outcome": call.script.outcome,
            "cost_usd": call.script.cost_usd,
            "duration_seconds": call.script.duration_seconds,
            "summary": "They talked.",
            "recording_url": "https://recordings.example.com/1.wav",
        }
        if call.script.success is not None:
            call.facts["success_evaluation"] = call.script.success
        if tell:
            await self.tell("callplane.call.reported.v1", call)

    async def ask_to_call_back(self, call_id: str, *, at: datetime) -> None:
        """The person on the phone wants to be called again then."""
        call = self.calls[call_id]
        wish = events_pb2.CallbackRequested(
            lead=events_pb2.LeadSnapshot(id=str(uuid4()), call_id=call_id),
            campaign_id=call.request.campaign_id,
        )
        wish.call_back_at.FromDatetime(at)
        await self.log.append("callplane.callback.requested.v1", wish.lead.id, call.org_id, wish)

    async def tell(self, event_type: str, call: FakeCall) -> None:
        snapshot = events_pb2.CallSnapshot(
            id=call.call_id,
            provider="vapi",
            provider_call_id=call.provider_call_id,
            direction="OUTBOUND",
            status=call.status,
            campaign_id=call.request.campaign_id,
            contact_id=call.request.contact_id,
            customer_number=call.request.customer_number,
            **call.facts,
        )
        data = {
            "placed": events_pb2.CallPlaced,
            "started": events_pb2.CallStarted,
            "ended": events_pb2.CallEnded,
            "failed": events_pb2.CallFailed,
            "reported": events_pb2.CallReported,
        }[event_type.split(".")[2]]
        await self.log.append(
            event_type, call.call_id, call.org_id, data(call=snapshot), traceparent=call.traceparent
        )

    async def _run(self, call: FakeCall, seconds: float) -> None:
        await asyncio.sleep(seconds * random.uniform(0.2, 0.8))
        if call.script.status == "ENDED":
            await self.pick_up(call.call_id)
        await asyncio.sleep(seconds * 0.3)
        await self.end(call.call_id)
        if call.script.report:
            await asyncio.sleep(0.005)
            await self.report(call.call_id)

    def _count(self, call: FakeCall) -> None:
        self.active.add(call.call_id)
        self.max_active = max(self.max_active, len(self.active))

    def _proto(self, call: FakeCall) -> calls_pb2.Call:
        facts = dict(call.facts)
        outcome = facts.pop("outcome", "")
        found = _Call(
            id=call.call_id,
            provider_call_id=call.provider_call_id,
            direction=_Call.OUTBOUND,
            status=_Call.Status.Value(call.status),
            campaign_id=call.request.campaign_id,
            placement=calls_pb2.Placement.Result.Value(call.result),
            **facts,
        )
        if outcome:
            found.outcome = calls_pb2.CallOutcome.Kind.Value(outcome)
        return found

    async def GetLineHealth(
        self, request: lines_pb2.GetLineHealthRequest, context: _Context
    ) -> lines_pb2.LineHealth:
        others = self.others_on_line
        status = lines_pb2.LineHealth.BUSY if others else lines_pb2.LineHealth.HEALTHY
        return lines_pb2.LineHealth(
            phone_number_id=request.phone_number_id, status=status, active_calls=others, provider="vapi"
        )

    async def CreateProviderAssistant(
        self, request: provider_pb2.CreateProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        if self.assistant_trouble:
            raise self.assistant_trouble
        made = provider_pb2.ProviderAssistant(
            id=f"assistant-{uuid4()}", name=request.name, config=request.config
        )
        self.assistants[made.id] = made
        return made

    async def GetProviderAssistant(
        self, request: provider_pb2.GetProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        self.assistant_looks += 1
        if self.assistant_trouble:
            raise self.assistant_trouble
        if request.id not in self.assistants:
            raise NotFound
        found = provider_pb2.ProviderAssistant()
        found.CopyFrom(self.assistants[request.id])
        read, self.assistant_read = self.assistant_read, None
        if read:
            await read()
        return found

    async def UpdateProviderAssistant(
        self, request: provider_pb2.UpdateProviderAssistantRequest, context: _Context
    ) -> provider_pb2.ProviderAssistant:
        if self.assistant_trouble:
            raise self.assistant_trouble
        found = self.assistants[request.id]
        found.name = request.name or found.name
        # As the provider does: what is sent replaces what is there under the same name.
        for key, value in request.config.fields.items():
            found.config.fields[key].CopyFrom(value)
        self.assistant_writes.append(request)
        told, self.assistant_told = self.assistant_told, None
        if told:
            await told()
        if self.assistant_answer_lost:
            raise self.assistant_answer_lost
        return found

    async def ListProviderAssistants(
        self, request: provider_pb2.ListProviderAssistantsRequest, context: _Context
    ) -> provider_pb2.ListProviderAssistantsResponse:
        if self.assistant_trouble:
            raise self.assistant_trouble
        at, size = int(request.page_token or 0), request.page_size or 50
        found = list(self.assistants.values())
        return provider_pb2.ListProviderAssistantsResponse(
            assistants=found[at : at + size], next_page_token=str(at + size) if len(found) > at + size else ""
        )

    def add_assistant(self, assistant_id: str, *, name: str = "Imported", **config: Any) -> None:
        self.assistants[assistant_id] = provider_pb2.ProviderAssistant(
            id=assistant_id, name=name, config=struct(config)
        )

    async def ListCalls(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    async def ListCallEvents(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    async def GetTranscript(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    async def ListToolCalls(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    async def CancelCall(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    async def RebuildCalls(self, request: Any, context: _Context) -> Any:
        raise NotImplementedError

    @asynccontextmanager
    async def serving(self, signer: PrincipalSigner, *, listen: str = "127.0.0.1:0") -> AsyncIterator[str]:
        """The address it serves at."""

        def register(server: grpc.aio.Server) -> None:
            calls_pb2_grpc.add_CallServiceServicer_to_server(self, server)
            lines_pb2_grpc.add_LineServiceServicer_to_server(self, server)
            provider_pb2_grpc.add_ProviderAssistantServiceServicer_to_server(self, server)
            events_pb2_grpc.add_EventServiceServicer_to_server(self.log, server)

        try:
            async with _served(register, signer, listen=listen) as address:
                yield address
        finally:
            for task in self._tasks:
                task.cancel()


@asynccontextmanager
async def serving_log(log: EventLog, signer: PrincipalSigner) -> AsyncIterator[str]:
    def register(server: grpc.aio.Server) -> None:
        events_pb2_grpc.add_EventServiceServicer_to_server(log, server)

    async with _served(register, signer, listen="127.0.0.1:0") as address:
        yield address


@asynccontextmanager
async def _served(
    register: Callable[[grpc.aio.Server], None], signer: PrincipalSigner, *, listen: str
) -> AsyncIterator[str]:
    async with serving(
        listen=listen, service="fake", register=register, signer=signer, reflection=False, grace_seconds=0.2
    ) as server:
        yield f"127.0.0.1:{server.port}"
