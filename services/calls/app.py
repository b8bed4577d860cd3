"""The composition root: what `calls` is made of, and in which order it starts and stops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import grpc.aio

from callplane.calls.v2 import (
    analytics_pb2_grpc,
    calls_pb2_grpc,
    intake_pb2_grpc,
    leads_pb2_grpc,
    lines_pb2_grpc,
    provider_pb2_grpc,
    routes_pb2_grpc,
    settings_pb2_grpc,
)
from callplane.events.v1 import events_pb2_grpc
from libs import outbox, pg
from libs.environment import Secret
from libs.loops import Loop
from libs.outbox import EventServicer
from libs.pg import Lease, Pool
from libs.rpc import PrincipalSigner, serving
from libs.vault import Vault
from services.calls.config import Config
from services.calls.domain.accounts import Access
from services.calls.folder import Folder
from services.calls.operations.account_access import AccountAccess
from services.calls.operations.accounts import PROVIDER, Accounts
from services.calls.operations.analytics import Analytics, FigureRefresh
from services.calls.operations.answer import Answers
from services.calls.operations.call_settings import SettingsKeeping
from services.calls.operations.catching_up import CatchingUp
from services.calls.operations.fold import Fold
from services.calls.operations.forgetting import KeyForgetting
from services.calls.operations.inbound_routes import InboundRoutes
from services.calls.operations.ingest import Ingest
from services.calls.operations.lead_clock import LeadClock
from services.calls.operations.lead_keeping import LeadKeeping
from services.calls.operations.leads import Leads
from services.calls.operations.line_health import LineHealthReading
from services.calls.operations.pacing import CarrierWatch
from services.calls.operations.placement import SEND_SECONDS_MAX, Placements
from services.calls.operations.provider_assistants import ProviderAssistants
from services.calls.operations.providers import Providers
from services.calls.operations.reading import Reading
from services.calls.operations.rebuilding import Rebuilding
from services.calls.operations.reconciliation import Patience, Reconciliation
from services.calls.operations.record import Record
from services.calls.operations.routing import Routing
from services.calls.operations.rule_books import RuleBooks
from services.calls.operations.rules import Rules
from services.calls.operations.sweeping import Sweeping
from services.calls.operations.tool_effects import ToolEffects
from services.calls.operations.tool_running import ToolRunning
from services.calls.reconciler import reconciler_loops
from services.calls.rpc.analytics import AnalyticsServicer
from services.calls.rpc.calls import CallServicer
from services.calls.rpc.inbound_routes import InboundRouteServicer
from services.calls.rpc.intake import AnswerServicer, IngestServicer, ProviderEventServicer
from services.calls.rpc.leads import LeadServicer
from services.calls.rpc.line_health import LineServicer
from services.calls.rpc.provider import ProviderAccountServicer, ProviderAssistantServicer
from services.calls.rpc.rule_services import add_rule_servicers
from services.calls.rpc.settings import CallSettingsServicer
from services.calls.vapi import Vapi, VapiTransport, Webhook

_SERVICE: Final = "calls"
# The folder's, the partitions', their leases', and the one that listens.
_FOLD_POOL_SIZE_MAX: Final = 6
_PARTITIONS_SECONDS: Final = 6 * 3600.0
_FORGETTING_SECONDS: Final = 600.0
# How long the provider may take to answer the POST of a call; beyond, its outcome is unknown.
_POST_SECONDS_MAX: Final = 10.0
# What ringing and the provider's own delays may add to the longest duration of a call.
_GRACE_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True)
class Running:
    port: int


@dataclass(frozen=True, slots=True)
class _Pools:
    """Requests, answers and loops do not wait for one another's connections."""

    requests: Pool
    answers: Pool
    workers: Pool


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    """The service without the fold, until the block ends."""
    async with AsyncExitStack() as stack:
        signer = PrincipalSigner(config.principal_secret)
        pools = await _open_pools(stack, config)
        providers = _open_providers(stack, config, pools.requests)

        rule_books = RuleBooks()
        ingest = Ingest(pools.workers, provider=PROVIDER)
        routing = Routing(default_assistant_id=config.default_assistant_id)
        answers = Answers(
            pools.answers,
            ToolRunning(rule_books, ToolEffects(LeadKeeping(rule_books))),
            routing=routing,
        )
        accounts = _accounts(config, pools.requests, providers)
        placements = Placements(pools.requests, providers, accounts)
        stack.push_async_callback(placements.drain)
        events = EventServicer(pools.workers, schema=_SERVICE)
        loops = [
            *_loops(config, pools.workers),
            *_reconciling(config, pools.workers, providers, ingest),
        ]

        def register(server: grpc.aio.Server) -> None:
            reading = Reading(pools.requests)
            calls = CallServicer(reading, placements, Rebuilding(pools.workers))
            calls_pb2_grpc.add_CallServiceServicer_to_server(calls, server)
            intake_pb2_grpc.add_IngestServiceServicer_to_server(IngestServicer(ingest), server)
            intake_pb2_grpc.add_AnswerServiceServicer_to_server(AnswerServicer(answers), server)
            intake_pb2_grpc.add_ProviderEventServiceServicer_to_server(ProviderEventServicer(reading), server)
            leads_pb2_grpc.add_LeadServiceServicer_to_server(
                LeadServicer(Leads(pools.requests, rule_books)), server
            )
            add_rule_servicers(server, Rules(pools.requests, rule_books))
            routes_pb2_grpc.add_InboundRouteServiceServicer_to_server(
                InboundRouteServicer(InboundRoutes(pools.requests, routing)), server
            )
            analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(
                AnalyticsServicer(Analytics(pools.requests)), server
            )
            settings_pb2_grpc.add_CallSettingsServiceServicer_to_server(
                CallSettingsServicer(SettingsKeeping(pools.requests)), server
            )
            provider_pb2_grpc.add_ProviderAccountServiceServicer_to_server(
                ProviderAccountServicer(accounts), server
            )
            provider_pb2_grpc.add_ProviderAssistantServiceServicer_to_server(
                ProviderAssistantServicer(ProviderAssistants(providers)), server
            )
            lines_pb2_grpc.add_LineServiceServicer_to_server(
                LineServicer(LineHealthReading(pools.requests, providers)), server
            )
            events_pb2_grpc.add_EventServiceServicer_to_server(events, server)

        await _background(stack, [events.run, *(loop.run for loop in loops)])
        server = await stack.enter_async_context(
            serving(
                listen=config.listen,
                service=_SERVICE,
                register=register,
                signer=signer,
                reflection=config.reflection,
            )
        )
        await server.set_serving(True)
        yield Running(port=server.port)


@asynccontextmanager
async def folding(config: Config) -> AsyncIterator[None]:
    """The fold, until the block ends."""
    async with AsyncExitStack() as stack:
        pool = await _open_pool(stack, config.worker_database_url, size_max=_FOLD_POOL_SIZE_MAX)
        fold = Fold(pool, Record(RuleBooks()))
        await _background(stack, [Folder(fold, pool).run, _partitions_loop(fold, pool).run])
        yield


def _loops(config: Config, pool: Pool) -> Sequence[Loop]:
    return [
        outbox.forgetting_loop(pool, schema=_SERVICE, days=config.events_kept_days),
        _forgetting_loop(pool, days=config.keys_kept_days),
        _lead_clock_loop(pool, interval_seconds=config.lead_clock_seconds),
        _figures_loop(pool, interval_seconds=config.analytics_seconds),
    ]


def _accounts(config: Config, pool: Pool, providers: Providers) -> Accounts:
    access = AccountAccess(
        providers,
        vault=_vault(config),
        deployment=_deployment(config),
        base_urls=config.base_urls_allowed,
    )
    return Accounts(pool, access=access, lines_default=config.lines)


def _reconciling(config: Config, pool: Pool, providers: Providers, ingest: Ingest) -> Sequence[Loop]:
    catching_up = CatchingUp(pool, feed=ingest.feed, report_seconds=config.report_seconds)
    return reconciler_loops(
        Reconciliation(pool, providers, feed=ingest.feed, patience=_patience(config)),
        Sweeping(pool, providers, catching_up=catching_up),
        CarrierWatch(pool),
        pool,
        interval_seconds=config.reconcile_seconds,
        sweep_seconds=config.sweep_seconds,
    )


async def _open_pools(stack: AsyncExitStack, config: Config) -> _Pools:
    return _Pools(
        requests=await _open_pool(stack, config.database_url, size_max=config.pool_size_max),
        answers=await _open_pool(stack, config.database_url, size_max=config.answer_pool_size_max),
        workers=await _open_pool(stack, config.worker_database_url, size_max=config.worker_pool_size_max),
    )


async def _open_pool(stack: AsyncExitStack, url: Secret, *, size_max: int) -> Pool:
    pool = await pg.open_pool(url.reveal(), service=_SERVICE, size_max=size_max)
    stack.push_async_callback(_close_pool, pool)
    return pool


async def _close_pool(pool: Pool) -> None:
    try:
        async with asyncio.timeout(3):
            await pool.close()
    except TimeoutError:
        pool.terminate()


def _open_providers(stack: AsyncExitStack, config: Config, pool: Pool) -> Providers:
    providers = Providers(pool, connect=_connect, deployment=_deployment(config), vault=_vault(config))
    stack.push_async_callback(providers.close)
    return providers


def _deployment(config: Config) -> Access:
    return Access(
        base_url=config.vapi_base_url,
        api_key=config.vapi_api_key,
        webhook_url=config.webhook_url,
        webhook_credential_id=config.webhook_credential_id,
        webhook_secret=config.webhook_secret,
    )


def _vault(config: Config) -> Vault | None:
    if not config.encryption_key:
        return None
    return Vault(config.encryption_key, purpose=_SERVICE, former=config.former_encryption_keys)


def _connect(access: Access) -> Vapi:
    webhook = Webhook(
        url=access.webhook_url,
        credential_id=access.webhook_credential_id,
        secret=access.webhook_secret,
    )
    transport = VapiTransport(base_url=access.base_url, api_key=access.api_key)
    return Vapi(transport, webhook=webhook, post_seconds_max=_POST_SECONDS_MAX)


def _patience(config: Config) -> Patience:
    return Patience(
        post_seconds=SEND_SECONDS_MAX + _POST_SECONDS_MAX,
        settle_seconds=config.settle_seconds,
        stuck_seconds=config.stuck_seconds,
        grace_seconds=_GRACE_SECONDS,
        report_seconds=config.report_seconds,
    )


def _partitions_loop(fold: Fold, pool: Pool) -> Loop:
    lease = Lease(pool, schema=_SERVICE, name="partitions", ttl_seconds=30.0)
    return Loop("partitions", fold.create_partitions, interval_seconds=_PARTITIONS_SECONDS, lease=lease)


def _forgetting_loop(pool: Pool, *, days: float) -> Loop:
    lease = Lease(pool, schema=_SERVICE, name="forget keys", ttl_seconds=30.0)
    return Loop(
        "forget keys",
        KeyForgetting(pool, days=days).step,
        interval_seconds=_FORGETTING_SECONDS,
        lease=lease,
    )


def _lead_clock_loop(pool: Pool, *, interval_seconds: float) -> Loop:
    lease = Lease(pool, schema=_SERVICE, name="lead clock", ttl_seconds=15.0)
    return Loop("lead clock", LeadClock(pool).tick, interval_seconds=interval_seconds, lease=lease)


def _figures_loop(pool: Pool, *, interval_seconds: float) -> Loop:
    lease = Lease(pool, schema=_SERVICE, name="figures", ttl_seconds=60.0)
    return Loop("figures", FigureRefresh(pool).step, interval_seconds=interval_seconds, lease=lease)


async def _background(
    stack: AsyncExitStack, runs: Sequence[Callable[[], Coroutine[None, None, None]]]
) -> None:
    """Runs them beside everything else; one that fails ends the process, which is then started afresh."""
    group = await stack.enter_async_context(asyncio.TaskGroup())
    tasks = [group.create_task(run()) for run in runs]

    def cancel() -> None:
        for task in tasks:
            task.cancel()

    stack.callback(cancel)
