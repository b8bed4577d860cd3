"""Accounts with credentials of their own, in front of a sandbox that knows several keys. The deployment has
no access of its own here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import grpc.aio
import httpx
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

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
from services.calls.app import folding, running
from services.calls.config import Config
from tests.integration.calls_provider.conftest import ORG, OTHER_ORG
from tests.support.fake_voice_provider import ASSISTANT_ID, PHONE_NUMBER, PHONE_NUMBER_ID
from tests.support.postgres import Database
from tests.support.waiting import eventually

SECRET = "a principal secret for tests, long enough"
KEY = "first-key-at-the-provider-4f2a"
OTHER_KEY = "other-key-at-the-provider-9c1d"
HOOK_SECRET = "secret-of-the-webhooks-77aa"
NOWHERE = "http://127.0.0.1:9"


@dataclass
class Service:
    database: Database
    peer: Peer
    sandbox: Any
    sandbox_url: str

    @property
    def accounts(self) -> provider_pb2_grpc.ProviderAccountServiceStub:
        return provider_pb2_grpc.ProviderAccountServiceStub(self.peer.channel)

    @property
    def assistants(self) -> provider_pb2_grpc.ProviderAssistantServiceStub:
        return provider_pb2_grpc.ProviderAssistantServiceStub(self.peer.channel)

    @property
    def calls(self) -> calls_pb2_grpc.CallServiceStub:
        return calls_pb2_grpc.CallServiceStub(self.peer.channel)

    async def account(self, *, org_id: UUID = ORG, **fields: Any) -> provider_pb2.ProviderAccount:
        defaults = {"name": "main", "provider": "vapi", "lines": 5}
        if "api_key" in fields:
            defaults["webhook_url"] = f"https://hooks.example/{org_id}"
        request = provider_pb2.CreateProviderAccountRequest(**{**defaults, **fields})
        return await self.accounts.CreateProviderAccount(request, metadata=self.peer.metadata(org_id))

    async def update(self, account_id: str, **fields: Any) -> provider_pb2.ProviderAccount:
        request = provider_pb2.UpdateProviderAccountRequest(id=account_id, **fields)
        return await self.accounts.UpdateProviderAccount(request, metadata=self.peer.metadata(ORG))

    async def place(self, *, org_id: UUID = ORG, **fields: Any) -> calls_pb2.PlaceCallResponse:
        defaults = {
            "customer_number": "+15145551234",
            "provider_assistant_id": ASSISTANT_ID,
            "phone_number_id": PHONE_NUMBER_ID,
            "max_duration_seconds": 60,
        }
        request = calls_pb2.PlaceCallRequest(**{**defaults, **fields})
        return await self.calls.PlaceCall(request, metadata=self.peer.metadata(org_id), timeout=15)

    async def theirs(self, key: str = OTHER_KEY) -> dict[str, Any]:
        """An assistant and a number of the account behind the other key."""
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"{self.sandbox_url}/vapi", headers=headers) as http:
            assistant = await http.post("/assistant", json={"name": "Theirs"})
            number = await http.post("/phone-number", json={"provider": "vapi", "number": "+15145550199"})
        return {"provider_assistant_id": assistant.json()["id"], "phone_number_id": number.json()["id"]}

    async def line_health(self, phone_number_id: str, *, org_id: UUID) -> tuple[str, str]:
        """Status and reason."""
        stub = lines_pb2_grpc.LineServiceStub(self.peer.channel)
        request = lines_pb2.GetLineHealthRequest(phone_number_id=phone_number_id)
        found = await stub.GetLineHealth(request, metadata=self.peer.metadata(org_id))
        return lines_pb2.LineHealth.Status.Name(found.status), found.reason

    def made(self, answer: calls_pb2.PlaceCallResponse) -> Any:
        return self.sandbox.calls.calls[answer.call.provider_call_id]


@asynccontextmanager
async def serving(database: Database, folder: Path, **changes: Any) -> AsyncIterator[Service]:
    settings = Settings(
        vapi_api_key=KEY,
        vapi_other_keys=(OTHER_KEY,),
        call_seconds=(0.1, 0.2),
        speed=50,
        report_delay_seconds=0.1,
    )
    async with sandbox_app.running(SandboxConfig(data_dir=folder, settings=settings)) as sandbox:
        fields: dict[str, Any] = {
            "database_url": Secret(database.dsn("calls")),
            "worker_database_url": Secret(database.dsn("calls_worker")),
            "listen": "127.0.0.1:0",
            "principal_secret": Secret(SECRET),
            "vapi_base_url": f"{sandbox.url}/vapi",
            "vapi_api_key": Secret(""),
            "webhook_url": "",
            "encryption_key": Secret("an encryption key for tests, long enough"),
            "base_urls_allowed": (NOWHERE,),
            "stuck_seconds": 0.5,
            "settle_seconds": 0.6,
            "reconcile_seconds": 0.1,
        }
        config = Config(**{**fields, **changes})
        async with folding(config), running(config) as run:
            peer = Peer(f"127.0.0.1:{run.port}", signer=PrincipalSigner(SECRET), service="campaigns")
            try:
                yield Service(database, peer, sandbox.sandbox, sandbox.url)
            finally:
                await peer.close()


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(database, tmp_path) as service:
        yield service


def refusal(refused: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    """The code and the machine-readable reason."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(refused.value)
    next(detail for detail in status.details if detail.Unpack(info))
    return refused.value.code(), info.reason


async def test_each_organization_works_with_its_own_account_and_sees_no_other(service: Service) -> None:
    """IN-4: assistants, numbers and calls of two organizations are apart at the provider."""
    ours = await service.account(api_key=KEY)
    objects = await service.theirs()
    theirs = await service.account(org_id=OTHER_ORG, api_key=OTHER_KEY)

    assert [(PHONE_NUMBER_ID, PHONE_NUMBER)] == [(one.id, one.number) for one in ours.phone_numbers]
    assert [objects["phone_number_id"]] == [one.id for one in theirs.phone_numbers]
    for org_id, foreign in ((OTHER_ORG, ASSISTANT_ID), (ORG, objects["provider_assistant_id"])):
        request = provider_pb2.GetProviderAssistantRequest(id=foreign)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.assistants.GetProviderAssistant(request, metadata=service.peer.metadata(org_id))
        assert (grpc.StatusCode.NOT_FOUND, "PROVIDER_ASSISTANT_NOT_FOUND") == refusal(refused)
    assert "ASSISTANT_NOT_FOUND" == (await service.place(org_id=OTHER_ORG)).placement.reason
    our_number, their_number = PHONE_NUMBER_ID, objects["phone_number_id"]
    unknown = ("ERROR", "PHONE_NUMBER_NOT_FOUND")
    for org_id, own, foreign in ((ORG, our_number, their_number), (OTHER_ORG, their_number, our_number)):
        health = [await service.line_health(one, org_id=org_id) for one in (own, foreign, str(uuid4()))]
        assert [("HEALTHY", ""), unknown, unknown] == health

    placed = [await service.place(), await service.place(org_id=OTHER_ORG, **objects)]

    assert [calls_pb2.Placement.PLACED] * 2 == [one.placement.result for one in placed]
    assert 2 == len({service.made(one).org_id for one in placed})
    # No webhook ever comes: what ends the calls is the reconciler, which asks with the right keys.
    for org_id, answer in zip((ORG, OTHER_ORG), placed, strict=True):
        await eventually(lambda: _is_over(service, answer.call.id, org_id), within_seconds=15)  # noqa: B023


async def _is_over(service: Service, call_id: str, org_id: UUID) -> bool:
    call = await service.calls.GetCall(
        calls_pb2.GetCallRequest(id=call_id), metadata=service.peer.metadata(org_id)
    )
    return call.status == calls_pb2.Call.ENDED


async def test_credentials_are_told_nobody_and_stored_sealed(service: Service) -> None:
    """B32: neither an answer nor a row holds the key or the webhook's secret."""
    created = await service.account(api_key=KEY, webhook_secret=HOOK_SECRET)
    metadata = service.peer.metadata(ORG)
    read = [
        created,
        await service.accounts.GetProviderAccount(
            provider_pb2.GetProviderAccountRequest(id=created.id), metadata=metadata
        ),
        await service.accounts.ListProviderAccounts(
            provider_pb2.ListProviderAccountsRequest(), metadata=metadata
        ),
        await service.update(created.id, lines=6),
        await service.accounts.CheckProviderAccount(
            provider_pb2.CheckProviderAccountRequest(id=created.id), metadata=metadata
        ),
    ]
    await service.place()

    assert ("4f2a", True) == (created.api_key_hint, created.HasField("credentials_set_at"))
    told = " ".join(json_format.MessageToJson(one) for one in read)
    rows = await service.database.fetch(
        """
        SELECT account::text || encode(account.credentials, 'escape') AS stored
          FROM calls.provider_accounts AS account
        """
    )
    calls = await service.database.fetch("SELECT call::text AS stored FROM calls.calls AS call")
    stored = " ".join(row["stored"] for row in [*rows, *calls])
    assert created.id in stored
    for secret in (KEY, HOOK_SECRET):
        assert secret not in told + stored
        assert secret.encode().hex() not in stored


async def test_calls_carry_the_webhook_of_their_account(service: Service) -> None:
    await service.account(api_key=KEY, webhook_url="https://hooks.example/one", webhook_secret=HOOK_SECRET)

    answer = await service.place()

    server = service.made(answer).assistant_overrides["server"]
    assert ("https://hooks.example/one", {"X-Vapi-Secret": HOOK_SECRET}) == (server["url"], server["headers"])


async def test_a_key_is_tried_before_it_is_stored(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.account(api_key="a-key-that-opens-nothing")
    with pytest.raises(grpc.aio.AioRpcError) as unreachable:
        await service.account(api_key=KEY, base_url=NOWHERE)

    assert (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_CREDENTIALS_REFUSED") == refusal(refused)
    assert (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE") == refusal(unreachable)
    assert "a-key-that-opens-nothing" not in str(refused.value)
    assert [] == await service.database.fetch("SELECT FROM calls.provider_accounts")
    assert (await service.account(api_key=KEY, base_url=NOWHERE, skip_check=True)).id


async def test_a_replaced_key_is_used_at_once(service: Service) -> None:
    account = await service.account(api_key="revoked-key-at-the-provider", skip_check=True)
    before = await service.place()

    changed = await service.update(account.id, api_key=KEY)
    after = await service.place()

    assert "PROVIDER_UNAUTHORIZED" == before.placement.reason
    assert calls_pb2.Placement.PLACED == after.placement.result
    assert ("4f2a", [PHONE_NUMBER_ID]) == (changed.api_key_hint, [one.id for one in changed.phone_numbers])
    assert changed.credentials_set_at.ToDatetime() > account.credentials_set_at.ToDatetime()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.update(account.id, api_key="revoked-key-at-the-provider")
    assert (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_CREDENTIALS_REFUSED") == refusal(refused)
    assert calls_pb2.Placement.PLACED == (await service.place()).placement.result


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"api_key": KEY, "webhook_url": ""}, ["webhook_url"]),
        ({"api_key": KEY, "base_url": "https://elsewhere.example"}, ["base_url"]),
        ({"webhook_url": "https://hooks.example"}, ["api_key"]),
        ({"base_url": NOWHERE}, ["api_key", "webhook_url"]),
        ({"api_key": "with a blank"}, ["api_key"]),
    ],
)
async def test_access_is_an_accounts_own_as_a_whole(
    service: Service, fields: dict[str, Any], wrong: Sequence[str]
) -> None:
    """A key goes to no address that the deployment does not allow, and the deployment's to none of an
    organization's."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.account(**fields)

    request = error_details_pb2.BadRequest()
    next(detail for detail in rpc_status.from_call(refused.value).details if detail.Unpack(request))
    assert wrong == [violation.field for violation in request.field_violations]


async def test_a_call_goes_out_from_the_named_account_or_that_of_its_number_or_the_oldest(
    service: Service,
) -> None:
    oldest = await service.account(api_key=KEY, name="oldest")
    objects = await service.theirs()
    second = await service.account(api_key=OTHER_KEY, name="second")

    by_number = await service.place(**objects)
    by_default = await service.place()
    named = await service.place(provider_account_id=oldest.id, **objects)

    assert {by_number.placement.result, by_default.placement.result} == {calls_pb2.Placement.PLACED}
    assert service.made(by_number).org_id != service.made(by_default).org_id
    assert "ASSISTANT_NOT_FOUND" == named.placement.reason
    await service.update(second.id, active=False)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.place(provider_account_id=second.id)
    assert (grpc.StatusCode.NOT_FOUND, "PROVIDER_ACCOUNT_NOT_FOUND") == refusal(refused)
    with pytest.raises(grpc.aio.AioRpcError) as foreign:
        await service.place(org_id=OTHER_ORG, provider_account_id=oldest.id)
    assert (grpc.StatusCode.NOT_FOUND, "PROVIDER_ACCOUNT_NOT_FOUND") == refusal(foreign)


async def test_assistants_are_found_at_whichever_account_has_them(service: Service) -> None:
    await service.account(api_key=KEY, name="oldest")
    objects = await service.theirs()
    second = await service.account(api_key=OTHER_KEY, name="second")
    metadata = service.peer.metadata(ORG)

    found = await service.assistants.GetProviderAssistant(
        provider_pb2.GetProviderAssistantRequest(id=objects["provider_assistant_id"]), metadata=metadata
    )
    made = await service.assistants.CreateProviderAssistant(
        provider_pb2.CreateProviderAssistantRequest(name="New", provider_account_id=second.id),
        metadata=metadata,
    )

    assert "Theirs" == found.name
    assistants = service.sandbox.catalog.assistants
    assert assistants[objects["provider_assistant_id"]]["orgId"] == assistants[made.id]["orgId"]


async def test_one_accounts_trouble_is_not_anothers(service: Service) -> None:
    """V4: breakers and connections belong to an account."""
    broken = await service.account(api_key=KEY, name="broken", base_url=NOWHERE, skip_check=True)
    well = await service.account(api_key=KEY, name="well")

    failed = [await service.place(provider_account_id=broken.id) for _ in range(6)]
    placed = await service.place(provider_account_id=well.id)

    assert ["PROVIDER_UNREACHABLE"] * 5 + ["CIRCUIT_OPEN"] == [one.placement.reason for one in failed]
    assert calls_pb2.Placement.PLACED == placed.placement.result


async def test_without_any_key_a_call_is_refused_before_it_is_stored(service: Service) -> None:
    await service.account()

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.place(call_id=str(uuid4()))

    assert (grpc.StatusCode.FAILED_PRECONDITION, "PROVIDER_ACCOUNT_INCOMPLETE") == refusal(refused)
    assert [] == await service.database.fetch("SELECT FROM calls.calls")


async def test_a_deployment_without_an_encryption_key_keeps_no_credentials(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path, encryption_key=Secret(""), vapi_api_key=Secret(KEY)) as service:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.account(api_key=KEY)

        assert (grpc.StatusCode.FAILED_PRECONDITION, "CREDENTIALS_UNSUPPORTED") == refusal(refused)
        await service.account()
        assert calls_pb2.Placement.PLACED == (await service.place()).placement.result


async def test_a_lost_encryption_key_is_an_error_and_nothing_is_sent(
    database: Database, tmp_path: Path
) -> None:
    async with serving(database, tmp_path / "1") as service:
        await service.account(api_key=KEY)
    async with serving(database, tmp_path / "2", encryption_key=Secret("x" * 40)) as service:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.place()

        assert grpc.StatusCode.INTERNAL is refused.value.code()
        assert {} == service.sandbox.calls.calls
