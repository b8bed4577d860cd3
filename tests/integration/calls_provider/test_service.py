"""The whole service over its sockets, in front of the sandbox. No webhook ever arrives: what is known of a
call comes from the answers to our own requests, and the record is right all the same."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest

from callplane.calls.v2 import (
    calls_pb2,
    calls_pb2_grpc,
    lines_pb2,
    lines_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
)
from deploy.sandbox import app as sandbox_app
from deploy.sandbox.config import Config as SandboxConfig
from deploy.sandbox.settings import Settings
from libs.environment import Secret
from libs.rpc import Peer, PrincipalSigner
from libs.rpc.convert import struct, to_dict
from services.calls.app import folding, running
from services.calls.config import Config
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG
from tests.support.fake_voice_provider import ASSISTANT_ID, PHONE_NUMBER_ID
from tests.support.postgres import Database
from tests.support.waiting import eventually

SECRET = "a principal secret for tests, long enough"


@dataclass
class Service:
    calls: Any
    accounts: Any
    assistants: Any
    peer: Peer
    sandbox: Any

    def place(self, *, call_id: str = "", customer: str = "+15145551234") -> Any:
        request = calls_pb2.PlaceCallRequest(
            call_id=call_id,
            customer_number=customer,
            provider_assistant_id=ASSISTANT_ID,
            phone_number_id=PHONE_NUMBER_ID,
            max_duration_seconds=60,
        )
        return self.calls.PlaceCall(request, metadata=self.peer.metadata(ORG), timeout=15)

    async def status(self, call_id: str) -> str:
        call = await self.calls.GetCall(
            calls_pb2.GetCallRequest(id=call_id), metadata=self.peer.metadata(ORG)
        )
        return str(calls_pb2.Call.Status.Name(call.status))


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    settings = Settings(vapi_api_key="key-1", call_seconds=(0.1, 0.2), speed=50, report_delay_seconds=0.1)
    async with sandbox_app.running(SandboxConfig(data_dir=tmp_path, settings=settings)) as sandbox:
        config = Config(
            database_url=Secret(database.dsn("calls")),
            worker_database_url=Secret(database.dsn("calls_worker")),
            listen="127.0.0.1:0",
            principal_secret=Secret(SECRET),
            vapi_base_url=f"{sandbox.url}/vapi",
            vapi_api_key=Secret("key-1"),
            webhook_url="http://127.0.0.1:9/hooks/vapi/main",
            stuck_seconds=0.5,
            settle_seconds=0.6,
            reconcile_seconds=0.1,
        )
        async with folding(config), running(config) as run:
            peer = Peer(f"127.0.0.1:{run.port}", signer=PrincipalSigner(SECRET), service="campaigns")
            try:
                yield Service(
                    calls=calls_pb2_grpc.CallServiceStub(peer.channel),
                    accounts=provider_pb2_grpc.ProviderAccountServiceStub(peer.channel),
                    assistants=provider_pb2_grpc.ProviderAssistantServiceStub(peer.channel),
                    peer=peer,
                    sandbox=sandbox.sandbox,
                )
            finally:
                await peer.close()


async def test_a_call_runs_from_placing_to_its_end_without_a_single_webhook(service: Service) -> None:
    answer = await service.place()

    assert answer.placement.result == calls_pb2.Placement.PLACED
    assert answer.call.provider_call_id

    async def over() -> bool:
        return await service.status(answer.call.id) == "ENDED"

    await eventually(over)
    account = await _only_account(service)
    assert account.lines_in_use == 0


async def test_a_phone_number_tells_how_it_is(service: Service) -> None:
    """CA-7: busy, healthy, error; who is on it, and what the provider says."""
    lines = lines_pb2_grpc.LineServiceStub(service.peer.channel)

    async def health(phone_number_id: str = PHONE_NUMBER_ID, **fields: Any) -> tuple[str, int, str]:
        request = lines_pb2.GetLineHealthRequest(phone_number_id=phone_number_id, **fields)
        found = await lines.GetLineHealth(request, metadata=service.peer.metadata(ORG))
        assert found.last_checked.seconds > 0
        assert (phone_number_id, "vapi") == (found.phone_number_id, found.provider)
        return lines_pb2.LineHealth.Status.Name(found.status), found.active_calls, found.reason

    assert ("HEALTHY", 0, "") == await health()
    service.sandbox.change_settings({"callSeconds": [1000, 1000]})
    await service.place()
    assert ("BUSY", 1, "") == await health()
    # At the deployment's account, which any organization may call from, the number is there; whose calls are
    # on it is not told.
    for record_only in (True, False):
        stranger = lines_pb2.GetLineHealthRequest(phone_number_id=PHONE_NUMBER_ID, record_only=record_only)
        other = await lines.GetLineHealth(stranger, metadata=service.peer.metadata(OTHER_ORG))
        assert (lines_pb2.LineHealth.HEALTHY, 0, "") == (other.status, other.active_calls, other.reason)
    assert ("ERROR", 0, "PHONE_NUMBER_NOT_FOUND") == await health(str(uuid4()))
    assert ("HEALTHY", 0, "") == await health(str(uuid4()), record_only=True)


async def test_a_placement_with_a_lost_answer_is_found_and_made_once(service: Service) -> None:
    service.sandbox.faults.order({"vapi.createCall": {"mode": "reset", "callMade": True, "count": 1}})
    call_id = str(uuid4())

    answer = await service.place(call_id=call_id)
    assert answer.placement.result == calls_pb2.Placement.UNKNOWN

    async def found() -> bool:
        repeat = await service.place(call_id=call_id)
        return bool(repeat.placement.result == calls_pb2.Placement.PLACED)

    await eventually(found)
    assert len(service.sandbox.calls.calls) == 1


async def test_a_placement_that_was_never_made_fails_after_the_settling_time(service: Service) -> None:
    service.sandbox.faults.order({"vapi.createCall": {"mode": "http", "status": 502, "count": 1}})

    answer = await service.place()
    assert (answer.placement.result, answer.placement.reason) == (calls_pb2.Placement.UNKNOWN, "HTTP_502")

    async def failed() -> bool:
        return await service.status(answer.call.id) == "FAILED"

    await eventually(failed)
    assert len(service.sandbox.calls.calls) == 0


async def test_a_canceled_call_ends_at_the_provider_and_in_the_record(service: Service) -> None:
    service.sandbox.change_settings({"callSeconds": [60, 60]})
    answer = await service.place()
    request = calls_pb2.CancelCallRequest(id=answer.call.id)

    await service.calls.CancelCall(request, metadata=service.peer.metadata(ORG))

    async def canceled() -> bool:
        return await service.status(answer.call.id) == "CANCELED"

    await eventually(canceled)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.calls.CancelCall(request, metadata=service.peer.metadata(ORG))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_a_call_without_a_free_line_has_no_row(service: Service) -> None:
    account = await _created(service, lines=1)
    await service.accounts.UpdateProviderAccount(
        provider_pb2.UpdateProviderAccountRequest(id=account.id, inbound_reserve=1),
        metadata=service.peer.metadata(ORG),
    )

    answer = await service.place()

    assert not answer.HasField("call")
    assert (answer.placement.reason, answer.placement.infrastructure) == ("NO_LINE_FREE", True)
    assert answer.placement.retry_after_seconds > 0


async def test_what_is_never_called_is_refused_and_the_rate_is_shown(service: Service) -> None:
    """B27: a premium-rate number never reaches the provider."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.place(customer="+19005550101")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(service.sandbox.calls.calls) == 0

    account = await _created(service, lines=3, calls_per_second_max=2.5)
    assert (account.calls_per_second_max, account.calls_per_second) == (2.5, 2.5)
    change = provider_pb2.UpdateProviderAccountRequest(id=account.id, calls_per_second_max=0)
    account = await service.accounts.UpdateProviderAccount(change, metadata=service.peer.metadata(ORG))
    assert not account.HasField("calls_per_second_max")


async def test_accounts_belong_to_their_organization(service: Service) -> None:
    account = await _created(service, lines=3)
    request = provider_pb2.GetProviderAccountRequest(id=account.id)

    assert (account.lines, account.active, account.provider) == (3, True, "vapi")
    assert await service.accounts.GetProviderAccount(request, metadata=service.peer.metadata(ORG)) == account
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.accounts.GetProviderAccount(request, metadata=service.peer.metadata(OTHER_ORG))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_assistants_go_to_the_provider_and_come_back_without_secrets(service: Service) -> None:
    metadata = service.peer.metadata(ORG)
    config = {"firstMessage": "Bonjour!", "maxDurationSeconds": 300}

    created = await service.assistants.CreateProviderAssistant(
        provider_pb2.CreateProviderAssistantRequest(name="Rappel", config=struct(config)), metadata=metadata
    )
    updated = await service.assistants.UpdateProviderAssistant(
        provider_pb2.UpdateProviderAssistantRequest(
            id=created.id,
            name="Rappel 2",
            config=struct({**to_dict(created.config), "firstMessage": "Allô!"}),
        ),
        metadata=metadata,
    )
    read = await service.assistants.GetProviderAssistant(
        provider_pb2.GetProviderAssistantRequest(id=created.id), metadata=metadata
    )

    assert (read.name, to_dict(read.config)) == ("Rappel 2", {**config, "firstMessage": "Allô!"})
    assert read == updated
    assert service.sandbox.catalog.assistants[read.id]["server"]["backoffPlan"]["maxRetries"] == 10


@pytest.mark.parametrize(
    ("config", "code", "reason"),
    [({"noSuchField": 1}, grpc.StatusCode.INVALID_ARGUMENT, "should not exist")],
)
async def test_the_providers_reasons_reach_the_caller(
    service: Service, config: dict[str, object], code: grpc.StatusCode, reason: str
) -> None:
    request = provider_pb2.CreateProviderAssistantRequest(name="x", config=struct(config))

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.assistants.CreateProviderAssistant(request, metadata=service.peer.metadata(ORG))

    assert refused.value.code() is code
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert reason.encode() in details


async def _created(service: Service, *, lines: int, **fields: Any) -> Any:
    request = provider_pb2.CreateProviderAccountRequest(name="main", provider="vapi", lines=lines, **fields)
    return await service.accounts.CreateProviderAccount(request, metadata=service.peer.metadata(ORG))


async def _only_account(service: Service) -> Any:
    listed = await service.accounts.ListProviderAccounts(
        provider_pb2.ListProviderAccountsRequest(), metadata=service.peer.metadata(ORG)
    )
    (account,) = listed.provider_accounts
    return account
