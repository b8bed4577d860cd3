"""The whole local stack as a test sees it: its public doors, its sandbox, and its processes."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from deploy.demo.clients import Door, open_door
from deploy.local.postgres import SUPERUSER
from deploy.local.secret_store import database_password
from deploy.local.settings import Settings
from deploy.local.stack import RunningStack, running_stack
from libs.rpc import Peer, PrincipalSigner
from tests.support.waiting import eventually

FIRST_CONTACT = 14182660100
OFFICIAL = (Path(__file__).parents[2] / "../shared/providers").resolve()


@dataclass(frozen=True)
class Tenant:
    org_id: str
    api_key: str


def contract_violations(requests: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Sequence[str]]]:
    """What the sandbox was asked against a provider's specification. Left out: published samples tell of
    calls under ids that no provider gives, and reconciliation asks for these."""
    return [
        (one["method"], one["path"], broken)
        for one in requests
        if (broken := one.get("contractViolation"))
        and (one["method"], broken) != ("GET", ["id must be a UUID"])
    ]


@dataclass
class Stack:
    running: RunningStack
    data_dir: Path
    api: Door
    sandbox: Door

    @property
    def ready(self) -> Mapping[str, Any]:
        return self.running

    @property
    def http(self) -> httpx.AsyncClient:
        """The public API with the first organization's admin key; refusals are answers, not exceptions."""
        return self.api.client

    @property
    def public_url(self) -> str:
        return str(self.ready["public_url"])

    @property
    def sandbox_url(self) -> str:
        return str(self.ready["sandbox_url"])

    @property
    def api_key(self) -> str:
        return str(self.ready["api_key"])

    @property
    def vapi_path(self) -> str:
        return urlsplit(str(self.ready["sources"]["vapi"]["url"])).path

    @property
    def vapi_secret(self) -> str:
        return str(self.ready["sources"]["vapi"]["secret"])

    @property
    def phone_number_id(self) -> str:
        return str(self.ready["sandbox"]["phone_number_id"])

    async def assistant_id(self) -> str:
        """An active assistant of the directory, imported from the sandbox."""
        body = {"providerAssistantId": self.ready["sandbox"]["assistant_id"], "name": "Sandbox assistant"}
        return str((await self.api.post("/v2/assistants:import", body))["id"])

    async def campaign(
        self, *, name: str, contacts: int = 0, cap: int = 8, **fields: object
    ) -> dict[str, Any]:
        body = {
            "name": name,
            "assistantId": await self.assistant_id(),
            "phoneNumberId": self.phone_number_id,
            "cap": cap,
            **fields,
        }
        campaign: dict[str, Any] = await self.api.post("/v2/campaigns", body)
        if contacts:
            rows = "".join(f"Contact {n},Business {n},+{FIRST_CONTACT + 7 * n}\n" for n in range(contacts))
            csv = f"name,business_name,phone\n{rows}".encode()
            report = await self.api.upload(f"/v2/campaigns/{campaign['id']}/contacts:import", csv)
            assert report["accepted"] == contacts, report
        return campaign

    async def completed(self, campaign_id: str, *, within: float = 90.0) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            answer = await self.http.get(f"/v2/campaigns/{campaign_id}")
            campaign: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
            return campaign if campaign.get("status") == "COMPLETED" else None

        return await eventually(look, within_seconds=within)

    async def dials(self, campaign_id: str) -> list[dict[str, Any]]:
        """The calls the sandbox made for a campaign."""
        calls = (await self.sandbox.get("/sandbox/calls"))["calls"]
        return [call for call in calls if (call["metadata"] or {}).get("campaignId") == campaign_id]

    async def max_active(self, campaign_id: str) -> int:
        return int((await self.sandbox.get("/sandbox/calls"))["maxActiveByCampaign"].get(campaign_id, 0))

    async def another_organization(self) -> Tenant:
        """A second tenant with an admin key, made the way the local stack makes the first."""
        signer = PrincipalSigner(self.running.secrets["PRINCIPAL_SECRET"])
        peer = Peer(self.ready["grpc"]["gateway"], signer=signer, service="tests")
        try:
            organizations = gateway_pb2_grpc.OrganizationServiceStub(peer.channel)
            request = gateway_pb2.CreateOrganizationRequest(name=f"Tenant {uuid4()}")
            organization = await organizations.CreateOrganization(request, metadata=peer.metadata())
            keys = gateway_pb2_grpc.ApiKeyServiceStub(peer.channel)
            metadata = peer.metadata(UUID(organization.id))
            key = await keys.CreateApiKey(
                gateway_pb2.CreateApiKeyRequest(name="tests", scopes=["admin"]), metadata=metadata
            )
            return Tenant(org_id=organization.id, api_key=key.key)
        finally:
            await peer.close()

    async def connect(self) -> asyncpg.Connection[Any]:
        """To the database as superuser, for looking at everything and for breaking things."""
        place = urlsplit(str(self.ready["databases"]["calls"]))
        login = f"{SUPERUSER}:{self.running.secrets[database_password(SUPERUSER)]}"
        netloc = f"{login}@{place.netloc.rpartition('@')[2]}"
        return await asyncpg.connect(urlunsplit(place._replace(netloc=netloc)), timeout=5, command_timeout=10)

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        """As superuser. Raises while the database cannot be read: that proves nothing about what it holds."""
        connection = await self.connect()
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close(timeout=5)

    async def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a counter's series that have these labels, as Prometheus would read them."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(str(self.ready["metrics"][service]))).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(one in line for one in wanted))

    async def killed(self, name: str) -> int:
        """SIGKILLs a process of the stack and waits for its successor; answers the new pid."""
        pid = int(self.ready["pids"][name])
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> int | None:
            now = int(self.ready["pids"].get(name, 0))
            return now if now not in (0, pid) else None

        return await eventually(replaced, within_seconds=15)


@asynccontextmanager
async def started(data_dir: Path, **environ: str) -> AsyncIterator[Stack]:
    """A stack of its own in `data_dir`, on free ports; `environ` lies over the processes' environment."""
    if OFFICIAL.is_dir():
        # Then the sandbox holds every request against the providers' own specifications too.
        environ = {"SANDBOX_OPENAPI_DIR": str(OFFICIAL), **environ}
    defaults = {"CALLPLANE_DATA_DIR": str(data_dir), "CALLPLANE_PORT": "0", "CALLPLANE_SANDBOX_PORT": "0"}
    settings = Settings.from_env({"PATH": os.environ["PATH"], "HOME": str(data_dir), **defaults, **environ})
    async with (
        running_stack(settings) as running,
        open_door(running["public_url"], api_key=running["api_key"]) as api,
        open_door(running["sandbox_url"]) as sandbox,
    ):
        yield Stack(running=running, data_dir=data_dir, api=api, sandbox=sandbox)
