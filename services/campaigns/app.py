"""The composition root: what is made of what, and how long it lives."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from callplane.campaigns.v2 import (
    assistants_pb2_grpc,
    campaigns_pb2_grpc,
    consents_pb2_grpc,
    contacts_pb2_grpc,
    dialing_pb2_grpc,
    settings_pb2_grpc,
)
from callplane.events.v1 import events_pb2_grpc
from libs import pg
from libs.environment import Secret
from libs.loops import Loop
from libs.outbox import Consumer, DeadEventServicer, EventServicer, forgetting_loop
from libs.rpc import Peer, PrincipalSigner, serving
from services.campaigns import consumers
from services.campaigns.calls_client import CallsClient
from services.campaigns.config import Config
from services.campaigns.dispatcher import Dispatcher
from services.campaigns.operations.assistant_discovery import AssistantDiscovery
from services.campaigns.operations.assistant_keeping import AssistantKeeping
from services.campaigns.operations.assistant_usage import AssistantUsage
from services.campaigns.operations.assistant_writing import AssistantWriting
from services.campaigns.operations.assistants import Assistants
from services.campaigns.operations.campaigns import Campaigns
from services.campaigns.operations.checking import Checking
from services.campaigns.operations.consents import Consents
from services.campaigns.operations.contact_files import ContactFiles
from services.campaigns.operations.contact_imports import ContactImports
from services.campaigns.operations.dialing import Dialing
from services.campaigns.operations.dialing_policies import DialingPolicies
from services.campaigns.operations.following import Patience
from services.campaigns.operations.idempotency import IdempotencyKeys
from services.campaigns.operations.preflight import Preflights
from services.campaigns.operations.settings import SettingsKeeping
from services.campaigns.operations.slot_keeping import SlotKeeping
from services.campaigns.operations.text_messages import TextMessages
from services.campaigns.operations.watching import Watching
from services.campaigns.reconciler import (
    assistant_checker,
    assistant_cleaner,
    housekeeper,
    reconciler,
    slot_keeper,
)
from services.campaigns.rpc.assistants import AssistantServicer
from services.campaigns.rpc.campaigns import CampaignServicer
from services.campaigns.rpc.consents import ConsentServicer
from services.campaigns.rpc.contacts import ContactServicer
from services.campaigns.rpc.dialing import DialingServicer
from services.campaigns.rpc.settings import CampaignSettingsServicer

SERVICE = "campaigns"
_LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    dispatcher: Dispatcher


@dataclass(frozen=True, slots=True)
class _Loops:
    dispatcher: Dispatcher
    reconciler: Loop
    slot_keeper: Loop
    consumers: tuple[Consumer, ...]
    events: EventServicer
    keys: IdempotencyKeys
    assistants: tuple[Loop, ...]
    text_messages: TextMessages
    forgetting: Loop

    def coroutines(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self.dispatcher.run(),
            self.reconciler.run(),
            self.slot_keeper.run(),
            *(consumer.run() for consumer in self.consumers),
            self.events.run(),
            housekeeper(self.keys.forget_old, self.text_messages.forget_old).run(),
            self.forgetting.run(),
            *(loop.run() for loop in self.assistants),
        ]


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        size = config.database_connections_max
        requests = await _pool(stack, config.database_url, size=size)
        # One connection more, which listens.
        workers = await _pool(stack, config.worker_database_url, size=size + 1)
        signer = PrincipalSigner(config.principal_secret)
        calls_peer = _peer(stack, config.calls_address, signer)
        notify_peer = _peer(stack, config.notify_address, signer)
        calls = CallsClient(calls_peer, place_seconds=config.place_seconds)
        loops = _loops(config, workers, calls=calls, calls_peer=calls_peer, notify_peer=notify_peer)

        def register(server: grpc.aio.Server) -> None:
            _register(server, config, requests, workers, calls=calls, loops=loops)

        server = await stack.enter_async_context(
            serving(
                listen=config.listen,
                service=SERVICE,
                register=register,
                signer=signer,
                reflection=config.reflection,
            )
        )
        await stack.enter_async_context(_kept_running(loops.coroutines()))
        await server.set_serving(True)
        try:
            yield Running(port=server.port, dispatcher=loops.dispatcher)
        finally:
            await server.set_serving(False)


async def _pool(stack: AsyncExitStack, url: Secret, *, size: int) -> pg.Pool:
    pool = await pg.open_pool(url.reveal(), service=SERVICE, size_max=size)
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: pg.Pool) -> None:
    try:
        async with asyncio.timeout(2):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _peer(stack: AsyncExitStack, address: str, signer: PrincipalSigner) -> Peer:
    peer = Peer(address, signer=signer, service=SERVICE)
    stack.push_async_callback(peer.close)
    return peer


def _loops(
    config: Config, workers: pg.Pool, *, calls: CallsClient, calls_peer: Peer, notify_peer: Peer
) -> _Loops:
    patience = Patience(
        intent_seconds=config.intent_seconds,
        place_seconds=config.place_seconds,
        stuck_seconds=config.stuck_seconds,
        report_seconds=config.report_seconds,
        lost_seconds=config.lost_seconds,
    )
    dialing = Dialing(workers, calls, patience=patience, minute_cost_max_usd=config.minute_cost_max_usd)
    dispatcher = Dispatcher(dialing, tick_seconds=config.tick_seconds)
    checking = Checking(workers, calls, dialing, patience=patience)
    return _Loops(
        dispatcher=dispatcher,
        reconciler=reconciler(
            checking, interval_seconds=config.reconcile_seconds, wake_after=dispatcher.wake
        ),
        slot_keeper=slot_keeper(
            SlotKeeping(workers),
            workers,
            interval_seconds=config.slots_seconds,
            wake_after=dispatcher.wake,
        ),
        consumers=(
            consumers.calls_consumer(calls_peer, workers, patience=patience, wake_dispatcher=dispatcher.wake),
            consumers.notify_consumer(notify_peer, workers),
        ),
        events=EventServicer(workers, schema=SERVICE),
        keys=IdempotencyKeys(workers),
        text_messages=TextMessages(workers),
        forgetting=forgetting_loop(workers, schema=SERVICE, days=config.events_kept_days),
        assistants=_assistant_loops(config, workers, calls),
    )


def _assistant_loops(config: Config, workers: pg.Pool, calls: CallsClient) -> tuple[Loop, ...]:
    keeping = AssistantKeeping(
        workers,
        calls,
        check_seconds=config.assistant_check_seconds,
        ephemeral_seconds=config.ephemeral_seconds,
    )

    def lease(name: str) -> pg.Lease:
        return pg.Lease(workers, schema=SERVICE, name=name, ttl_seconds=_LEASE_SECONDS)

    return (
        assistant_checker(
            keeping,
            # Often enough that a missing one is looked for again in time.
            interval_seconds=config.assistant_check_seconds / 20,
            lease=lease("assistant_checker"),
        ),
        assistant_cleaner(
            keeping, interval_seconds=config.ephemeral_seconds / 20, lease=lease("assistant_cleaner")
        ),
    )


def _register(
    server: grpc.aio.Server,
    config: Config,
    requests: pg.Pool,
    workers: pg.Pool,
    *,
    calls: CallsClient,
    loops: _Loops,
) -> None:
    wake = loops.dispatcher.wake
    assistants = AssistantServicer(
        Assistants(requests, calls),
        AssistantWriting(requests, calls),
        AssistantDiscovery(requests, calls),
        AssistantUsage(requests),
    )
    settings = CampaignSettingsServicer(SettingsKeeping(requests, wake_dispatcher=wake))
    keeping = Campaigns(requests, wake_dispatcher=wake)
    campaigns = CampaignServicer(
        keeping,
        ContactFiles(requests, wake_dispatcher=wake),
        Watching(keeping, interval_seconds=config.progress_seconds),
        cap_default=config.cap_default,
    )
    contacts = ContactServicer(ContactImports(requests, wake_dispatcher=wake))
    dialing = DialingServicer(
        DialingPolicies(requests, wake_dispatcher=wake),
        Preflights(requests, minute_cost_max_usd=config.minute_cost_max_usd),
    )
    dead_events = DeadEventServicer(workers, schema=SERVICE, consumers=loops.consumers)
    assistants_pb2_grpc.add_AssistantServiceServicer_to_server(assistants, server)
    settings_pb2_grpc.add_CampaignSettingsServiceServicer_to_server(settings, server)
    campaigns_pb2_grpc.add_CampaignServiceServicer_to_server(campaigns, server)
    contacts_pb2_grpc.add_ContactServiceServicer_to_server(contacts, server)
    consents_pb2_grpc.add_ConsentServiceServicer_to_server(ConsentServicer(Consents(requests)), server)
    dialing_pb2_grpc.add_DialingServiceServicer_to_server(dialing, server)
    events_pb2_grpc.add_EventServiceServicer_to_server(loops.events, server)
    events_pb2_grpc.add_DeadEventServiceServicer_to_server(dead_events, server)


@asynccontextmanager
async def _kept_running(coroutines: list[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
