"""One gateway for all tests that leave it as it was, and a way to start others on a database of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from libs.rpc import Peer, PrincipalSigner
from services.gateway.app import running
from tests.integration.gateway.harness import (
    PRINCIPAL_SECRET,
    TWILIO_TOKEN,
    VAPI_SECRET,
    Gateway,
    config,
)
from tests.integration.gateway.peers import Peers
from tests.support.postgres import Cluster, Database, _copied

StartGateway = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture(scope="session")
async def shared_peers() -> AsyncIterator[Peers]:
    async with Peers().serving(PrincipalSigner(PRINCIPAL_SECRET)) as serving:
        yield serving


@pytest.fixture(scope="session")
async def shared_gateway(
    cluster: Cluster, migrated_template: str, shared_peers: Peers
) -> AsyncIterator[Gateway]:
    async with _copied(cluster, migrated_template) as database, _started(database, shared_peers) as started:
        yield started


@pytest.fixture
async def peers(shared_peers: Peers) -> Peers:
    """The services around the gateway, as if nobody had asked them yet."""
    await shared_peers.reset()
    return shared_peers


@pytest.fixture
def gateway(shared_gateway: Gateway, peers: Peers) -> Gateway:
    """With an organization and a source of each provider; do not break it."""
    return shared_gateway


@pytest.fixture
def start_gateway(database: Database, peers: Peers) -> StartGateway:
    """Starts a gateway with changed settings, on the test's own database, which may be broken."""

    def start(**changes: Any) -> AbstractAsyncContextManager[Gateway]:
        return _started(database, peers, **changes)

    return start


@asynccontextmanager
async def _started(database: Database, peers: Peers, **changes: Any) -> AsyncIterator[Gateway]:
    signer = PrincipalSigner(PRINCIPAL_SECRET)
    async with running(config(database, peers, **changes)) as ports:
        peer = Peer(f"127.0.0.1:{ports.port}", signer=signer, service="tests")
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.http_port}", timeout=20) as http,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports.authz_port}") as authz,
        ):
            org_id = await _organization(peer)
            started = Gateway(
                running=ports, peers=peers, http=http, authz=authz, peer=peer, signer=signer, org_id=org_id
            )
            await _create_sources(started)
            yield started
        await peer.close()


async def _organization(peer: Peer) -> UUID:
    """The first organization there is; a second gateway on the same database finds that of the first."""
    stub = gateway_pb2_grpc.OrganizationServiceStub(peer.channel)
    found = await stub.ListOrganizations(gateway_pb2.ListOrganizationsRequest(), metadata=peer.metadata())
    if found.organizations:
        return UUID(found.organizations[-1].id)
    request = gateway_pb2.CreateOrganizationRequest(name="First")
    return UUID((await stub.CreateOrganization(request, metadata=peer.metadata())).id)


async def _create_sources(gateway: Gateway) -> None:
    scheme = gateway_pb2.Source
    listed = await gateway.sources.ListSources(gateway_pb2.ListSourcesRequest(), metadata=gateway.internal())
    if listed.sources:
        return
    requests = [
        gateway_pb2.CreateSourceRequest(
            name="vapi-main",
            provider="vapi",
            schemes=[scheme.HMAC_BODY, scheme.HMAC_TIMESTAMP, scheme.SHARED_SECRET],
            secret=VAPI_SECRET,
        ),
        gateway_pb2.CreateSourceRequest(
            name="twilio-main", provider="twilio", schemes=[scheme.TWILIO], secret=TWILIO_TOKEN
        ),
    ]
    for request in requests:
        await gateway.sources.CreateSource(request, metadata=gateway.internal())
