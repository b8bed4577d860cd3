"""The composition root: what notify is made of, and in which order it starts and stops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import grpc.aio

from callplane.events.v1 import events_pb2_grpc
from callplane.notify.v2 import messages_pb2_grpc, webhooks_pb2_grpc
from libs import pg
from libs.loops import Loop
from libs.outbox import DeadEventServicer, EventServicer, forgetting_loop
from libs.pg import Pool
from libs.rpc import Peer, PrincipalSigner, serving
from libs.vault import Vault
from services.notify.config import Config
from services.notify.consumers import consumer
from services.notify.deliverer import Deliverer
from services.notify.endpoint import EndpointClient
from services.notify.operations import delivering
from services.notify.rpc.alerts import AlertServicer
from services.notify.rpc.intake import MessageIntakeServicer
from services.notify.rpc.messages import MessageServicer
from services.notify.rpc.suppressions import SuppressionServicer
from services.notify.rpc.webhooks import WebhookServicer
from services.notify.sender import Sender
from services.notify.twilio import Twilio

_SERVICE: Final = "notify"
_PARTITIONS_SECONDS: Final = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Running:
    """The port actually bound."""

    port: int


class _Parts:
    """Everything between the pools and the server."""

    def __init__(self, config: Config, *, pool: Pool, worker_pool: Pool, signer: PrincipalSigner) -> None:
        vault = Vault(config.encryption_key, purpose=_SERVICE, former=config.former_encryption_keys)
        self.twilio = _twilio(config)
        self.endpoint = EndpointClient(allow_loopback=config.allow_private_urls)
        self.sender = Sender(worker_pool, self.twilio, retry_seconds=config.send_retry_seconds)
        self.deliverer = Deliverer(
            worker_pool, self.endpoint, vault=vault, schedule=config.delivery_schedule_seconds
        )
        self.events = EventServicer(worker_pool, schema=_SERVICE)
        self.partitions = Loop(
            "notify.partitions", lambda: _create_partitions(worker_pool), interval_seconds=_PARTITIONS_SECONDS
        )
        self.forgetting = forgetting_loop(worker_pool, schema=_SERVICE, days=config.events_kept_days)
        self.peers = {
            "calls": Peer(config.calls_address, signer=signer, service=_SERVICE),
            "campaigns": Peer(config.campaigns_address, signer=signer, service=_SERVICE),
        }
        self.consumers = [
            consumer(
                source,
                peer=peer,
                pool=worker_pool,
                wake_sender=self.sender.wake,
                wake_deliverer=self.deliverer.wake,
            )
            for source, peer in self.peers.items()
        ]
        self._pool, self._worker_pool, self._vault = pool, worker_pool, vault

    def register(self, server: grpc.aio.Server) -> None:
        messages = MessageServicer(self._pool, wake=self.sender.wake)
        webhooks = WebhookServicer(
            self._pool, guard=self.endpoint, vault=self._vault, wake=self.deliverer.wake
        )
        dead_events = DeadEventServicer(self._worker_pool, schema=_SERVICE, consumers=self.consumers)
        messages_pb2_grpc.add_MessageServiceServicer_to_server(messages, server)
        messages_pb2_grpc.add_AlertServiceServicer_to_server(AlertServicer(self._pool), server)
        messages_pb2_grpc.add_SuppressionServiceServicer_to_server(SuppressionServicer(self._pool), server)
        messages_pb2_grpc.add_MessageIntakeServiceServicer_to_server(
            MessageIntakeServicer(self._pool), server
        )
        webhooks_pb2_grpc.add_WebhookServiceServicer_to_server(webhooks, server)
        events_pb2_grpc.add_EventServiceServicer_to_server(self.events, server)
        events_pb2_grpc.add_DeadEventServiceServicer_to_server(dead_events, server)

    def runs(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        loops = (self.events.run, self.sender.run, self.deliverer.run)
        return (*loops, self.partitions.run, self.forgetting.run, *(one.run for one in self.consumers))

    async def close(self) -> None:
        await self.twilio.close()
        await self.endpoint.close()
        for peer in self.peers.values():
            await peer.close()


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[Running]:
    """Serves until the block ends; then says so, lets what is under way end, and closes."""
    signer = PrincipalSigner(config.principal_secret)
    async with AsyncExitStack() as stack:
        pool = await _pool(stack, config.database_url.reveal(), size_max=config.pool_size_max)
        worker_url = config.worker_database_url.reveal()
        worker_pool = await _pool(stack, worker_url, size_max=config.worker_pool_size_max)
        # Before anything is queued: a delivery of this month must find its partition.
        await _create_partitions(worker_pool)
        parts = _Parts(config, pool=pool, worker_pool=worker_pool, signer=signer)
        stack.push_async_callback(parts.close)
        rpc = await stack.enter_async_context(
            serving(
                listen=config.listen,
                service=_SERVICE,
                register=parts.register,
                signer=signer,
                reflection=config.grpc_reflection,
            )
        )
        await _background(stack, parts.runs())
        await rpc.set_serving(True)
        try:
            yield Running(port=rpc.port)
        finally:
            await rpc.set_serving(False)


def _twilio(config: Config) -> Twilio:
    return Twilio(
        base_url=config.twilio_base_url,
        account_sid=config.twilio_account_sid,
        auth_token=config.twilio_auth_token,
        sender=config.twilio_from,
        status_callback_url=config.status_callback_url,
    )


async def _create_partitions(pool: Pool) -> int:
    await delivering.create_partitions(pool, today=datetime.now(UTC))
    # Nothing is left to do at once, however many there were.
    return 0


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


async def _background(stack: AsyncExitStack, runs: Sequence[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Runs them beside everything else; one that fails ends the process, which is then started afresh."""
    group = await stack.enter_async_context(asyncio.TaskGroup())
    tasks = [group.create_task(run()) for run in runs]

    def cancel() -> None:
        for task in tasks:
            task.cancel()

    stack.callback(cancel)
