"""The composition root: what the gateway is made of, and in which order it starts and stops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import grpc.aio

from callplane.events.v1 import events_pb2_grpc
from callplane.gateway.v2 import gateway_pb2_grpc
from libs import pg, telemetry
from libs.errors import ServiceError
from libs.loops import Loop
from libs.outbox import EventServicer, forgetting_loop
from libs.pg import Lease, Pool, Wakeup
from libs.rpc import Peer, PrincipalSigner, RunningServer
from libs.rpc import serving as serving_rpc
from libs.vault import Vault
from services.gateway.calls_client import AnswerClient, IngestClient
from services.gateway.campaigns_client import CampaignsClient
from services.gateway.config import Config
from services.gateway.http import applications
from services.gateway.http.authorization import Authorization
from services.gateway.http.campaign_files import CampaignFiles
from services.gateway.http.descriptions import Descriptions
from services.gateway.http.health import Check, Health, peer_check
from services.gateway.http.openapi.descriptors import Descriptors
from services.gateway.http.openapi.routes import Routes
from services.gateway.http.server import serving as serving_http
from services.gateway.http.twilio_webhooks import TwilioWebhooks
from services.gateway.http.unrouted import Unrouted
from services.gateway.http.vapi_webhooks import VapiWebhooks
from services.gateway.http.webhook_protocol import WebhookProtocol
from services.gateway.notify_client import NotifyClient
from services.gateway.operations.admission import Admission
from services.gateway.operations.answers import DEADLINE_SECONDS, Answers
from services.gateway.operations.holding import HeldWebhooks
from services.gateway.operations.intake import Intake
from services.gateway.operations.invalidation import Invalidation
from services.gateway.operations.sources import Directory
from services.gateway.rpc.api_keys import ApiKeyServicer
from services.gateway.rpc.organizations import OrganizationServicer
from services.gateway.rpc.sources import SourceServicer
from services.gateway.store.changes import CHANNEL

_SERVICE: Final = "gateway"
_USAGE_SECONDS: Final = 5.0

_log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """The ports actually bound."""

    port: int
    http_port: int
    authz_port: int


@dataclass(frozen=True, slots=True)
class _Peers:
    calls: Peer
    # Answers do not share a connection with batches of webhooks.
    answers: Peer
    campaigns: Peer
    notify: Peer


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    """Serves until the block ends; then stops accepting, finishes what it has begun, and closes."""
    signer = PrincipalSigner(config.principal_secret)
    vault = Vault(config.encryption_key, purpose=_SERVICE, former=config.former_encryption_keys)
    descriptors = Descriptors.load()
    async with AsyncExitStack() as stack:
        pool = await _pool(stack, config.database_url.reveal(), size_max=config.pool_size_max)
        worker_url = config.worker_database_url.reveal()
        worker_pool = await _pool(stack, worker_url, size_max=config.worker_pool_size_max)
        peers = _peers(stack, config, signer)
        directory = Directory(worker_pool, vault)
        admission = Admission(worker_pool, hourly=config.rate_limit_enabled)
        ingest = IngestClient(peers.calls).ingest
        intake = Intake(ingest, queue_max=config.intake_queue_max)
        held = HeldWebhooks(worker_pool, vault, ingest)
        events = EventServicer(worker_pool, schema=_SERVICE)
        changed = Wakeup(worker_pool, channel=CHANNEL)
        invalidation = Invalidation(changed, [directory.clear, admission.clear])
        usage = Loop("gateway usage", admission.flush, interval_seconds=_USAGE_SECONDS)
        forwarder = _forwarder(held, worker_pool, interval_seconds=config.forward_seconds)
        forgetting = forgetting_loop(worker_pool, schema=_SERVICE, days=config.events_kept_days)
        health = Health(_checks(pool, peers))

        # What stops last stands first: requests in progress need the intake, and their usage is written
        # after them.
        stack.push_async_callback(_flush, admission)
        loops = (usage, forwarder, forgetting)
        await _background(
            stack, intake.run, events.run, changed.run, invalidation.run, *(loop.run for loop in loops)
        )
        rpc = await stack.enter_async_context(
            serving_rpc(
                listen=config.listen,
                service=_SERVICE,
                register=_registration(pool, worker_pool, vault, events, config.public_url),
                signer=signer,
                reflection=config.reflection,
            )
        )
        authorization = Authorization(admission, signer=signer, internal_methods=descriptors.internal_methods)
        authz_port = await stack.enter_async_context(serving_http(authorization, listen=config.authz_listen))
        notify = NotifyClient(peers.notify)
        answers = Answers(AnswerClient(peers.answers, deadline_seconds=DEADLINE_SECONDS).answer, held.hold)
        vapi = VapiWebhooks(directory, intake, answers)
        public = applications.public(
            vapi=vapi,
            twilio=TwilioWebhooks(directory, notify, intake, public_url=config.public_url),
            files=CampaignFiles(CampaignsClient(peers.campaigns)),
            health=health,
            descriptions=Descriptions(descriptors, public_url=config.public_url),
            unrouted=Unrouted(Routes.of(descriptors)),
        )
        http_port = await stack.enter_async_context(
            serving_http(public, listen=config.http_listen, protocol=partial(WebhookProtocol, receiver=vapi))
        )
        await _set_serving(rpc, health, serving=True)
        try:
            yield Running(port=rpc.port, http_port=http_port, authz_port=authz_port)
        finally:
            await _set_serving(rpc, health, serving=False)


def _forwarder(held: HeldWebhooks, pool: Pool, *, interval_seconds: float) -> Loop:
    lease = Lease(pool, schema=_SERVICE, name="held webhooks", ttl_seconds=15.0)
    return Loop("held webhooks", held.step, interval_seconds=interval_seconds, lease=lease)


async def _set_serving(rpc: RunningServer, health: Health, *, serving: bool) -> None:
    health.set_serving(serving)
    await rpc.set_serving(serving)


async def _pool(stack: AsyncExitStack, dsn: str, *, size_max: int) -> Pool:
    pool = await pg.open_pool(dsn, service=_SERVICE, size_max=size_max)
    stack.push_async_callback(_close_pool, pool)
    return pool


async def _close_pool(pool: Pool) -> None:
    try:
        async with asyncio.timeout(3):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _background(stack: AsyncExitStack, *runs: Callable[[], Coroutine[None, None, None]]) -> None:
    """Runs them beside everything else; one that fails ends the process, which is then started afresh."""
    group = await stack.enter_async_context(asyncio.TaskGroup())
    tasks = [group.create_task(run()) for run in runs]

    async def cancel() -> None:
        # Asked again, should one have lost its cancellation in an error of the same moment.
        while any(not task.done() for task in tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1)

    stack.push_async_callback(cancel)


def _peers(stack: AsyncExitStack, config: Config, signer: PrincipalSigner) -> _Peers:
    def peer(address: str) -> Peer:
        opened = Peer(address, signer=signer, service=_SERVICE)
        stack.push_async_callback(opened.close)
        return opened

    return _Peers(
        calls=peer(config.calls_address),
        answers=peer(config.calls_address),
        campaigns=peer(config.campaigns_address),
        notify=peer(config.notify_address),
    )


def _checks(pool: Pool, peers: _Peers) -> dict[str, Check]:
    async def database() -> bool:
        async with pg.transaction(pool) as conn:
            return bool(await conn.fetchval("SELECT true"))

    return {
        "database": database,
        "calls": peer_check(peers.calls),
        "campaigns": peer_check(peers.campaigns),
        "notify": peer_check(peers.notify),
    }


def _registration(
    pool: Pool, worker_pool: Pool, vault: Vault, events: EventServicer, public_url: str
) -> Callable[[grpc.aio.Server], None]:
    def register(server: grpc.aio.Server) -> None:
        organizations = OrganizationServicer(pool, worker_pool)
        sources = SourceServicer(pool, vault, public_url=public_url)
        gateway_pb2_grpc.add_OrganizationServiceServicer_to_server(organizations, server)
        gateway_pb2_grpc.add_ApiKeyServiceServicer_to_server(ApiKeyServicer(pool), server)
        gateway_pb2_grpc.add_SourceServiceServicer_to_server(sources, server)
        events_pb2_grpc.add_EventServiceServicer_to_server(events, server)

    return register


async def _flush(admission: Admission) -> None:
    try:
        async with asyncio.timeout(2):
            while await admission.flush():
                pass
    except (ServiceError, TimeoutError) as exc:
        _log.warning("usage not written", reason=getattr(exc, "reason", "DEADLINE_EXCEEDED"))
