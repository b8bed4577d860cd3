"""The service as a process: it starts, answers, stops, and loses nothing when it is killed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from callplane.calls.v2 import intake_pb2, intake_pb2_grpc
from libs.rpc import Peer, PrincipalSigner
from tests.integration.calls.harness import ORG, SECRET, incoming
from tests.support.postgres import REPOSITORY, Database
from tests.support.vapi_messages import status_update, whole_call
from tests.support.waiting import eventually


def environment(database: Database, port: int, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}",
        "CALLS_DATABASE_URL": database.dsn("calls"),
        "CALLS_WORKER_DATABASE_URL": database.dsn("calls_worker"),
        "CALLS_LISTEN": f"127.0.0.1:{port}",
        "CALLS_WEBHOOK_PUBLIC_URL": "http://127.0.0.1:9/hooks",
        "VAPI_BASE_URL": "http://127.0.0.1:9",
        "VAPI_API_KEY": "key",
        "PRINCIPAL_SECRET": SECRET,
        "LOG_LEVEL": "WARNING",
        **more,
    }


@asynccontextmanager
async def process(database: Database, port: int, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.calls", cwd=REPOSITORY, env=environment(database, port, **more)
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Peer]:
    """Once the process says it serves."""
    peer = Peer(f"127.0.0.1:{port}", signer=PrincipalSigner(SECRET), service="test")
    health = health_pb2_grpc.HealthStub(peer.channel)

    async def serves() -> bool:
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    try:
        await eventually(serves, within_seconds=30)
        yield peer
    finally:
        await peer.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def ingest(peer: Peer, *bodies: bytes) -> int:
    stub = intake_pb2_grpc.IngestServiceStub(peer.channel)
    request = intake_pb2.IngestEventsRequest(events=[incoming(body) for body in bodies])
    return (await stub.IngestEvents(request, metadata=peer.metadata(ORG))).stored


async def test_it_starts_serves_and_stops_when_told(database: Database) -> None:
    port = free_port()
    async with process(database, port) as running, connected(port) as peer:
        assert 1 == await ingest(peer, status_update("c-1", "ringing", at=0))
        running.send_signal(signal.SIGTERM)

        assert 0 == await asyncio.wait_for(running.wait(), timeout=10)


async def test_the_folder_tells_its_own_metrics(database: Database) -> None:
    port, metrics = free_port(), free_port()
    listen = {"CALLS_FOLDER_METRICS_LISTEN": f"127.0.0.1:{metrics}"}
    async with (
        process(database, port, **listen),
        connected(port) as peer,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{metrics}") as client,
    ):
        await ingest(peer, *whole_call("c-1"))

        async def told() -> bool:
            lines = (await client.get("/metrics")).text.splitlines()
            return any(
                line.startswith("callplane_loop_items_total{") and 'loop="folder"' in line for line in lines
            )

        await eventually(told)


async def test_a_kill_in_the_middle_of_a_batch_loses_and_repeats_nothing(database: Database) -> None:
    port = free_port()
    async with (
        process(database, port, FAILPOINTS="calls.before_commit=kill") as running,
        connected(port) as peer,
    ):
        assert 10 == await ingest(peer, *whole_call("c-1"))
        assert -signal.SIGKILL == await asyncio.wait_for(running.wait(), timeout=20)
    assert [] == await database.fetch("SELECT id FROM calls.calls")

    async with process(database, port), connected(port):

        async def ended() -> bool:
            rows = await database.fetch("SELECT id FROM calls.calls WHERE status = 'ENDED'")
            return len(rows) == 1

        await eventually(ended, within_seconds=20)
    said = await database.fetch("SELECT type FROM calls.outbox WHERE type LIKE 'callplane.call.ended%'")
    events = await database.fetch("SELECT id FROM calls.call_events")
    assert (1, 10) == (len(said), len(events))


async def test_a_kill_after_the_commit_repeats_nothing(database: Database) -> None:
    port = free_port()
    async with (
        process(database, port, FAILPOINTS="calls.after_commit=kill") as running,
        connected(port) as peer,
    ):
        await ingest(peer, *whole_call("c-1"))
        await asyncio.wait_for(running.wait(), timeout=20)

    async with process(database, port), connected(port) as peer:
        # Nobody acknowledged them: the gateway sends the batch again.
        assert 0 == await ingest(peer, *whole_call("c-1"))
        await ingest(peer, status_update("c-2", "ringing", at=0))

        async def second() -> bool:
            return len(await database.fetch("SELECT id FROM calls.calls")) == 2

        await eventually(second, within_seconds=20)
    said = await database.fetch("SELECT type FROM calls.outbox WHERE type LIKE 'callplane.call.ended%'")
    assert 1 == len(said)
    assert 11 == len(await database.fetch("SELECT id FROM calls.call_events"))


async def test_a_kill_before_the_ledgers_commit_acknowledges_nothing(database: Database) -> None:
    port = free_port()
    async with (
        process(database, port, FAILPOINTS="ingest.before_commit=kill") as running,
        connected(port) as peer,
    ):
        with pytest.raises(grpc.aio.AioRpcError):
            await ingest(peer, status_update("c-1", "ringing", at=0))
        await asyncio.wait_for(running.wait(), timeout=20)

    assert [] == await database.fetch("SELECT id FROM calls.provider_events")


async def test_a_kill_while_the_ledger_is_written_acknowledges_nothing(database: Database) -> None:
    """K2: the statement that stores the batch is under way. It may be committed or not; sent again, the batch
    is there once."""
    port, body = free_port(), status_update("c-1", "ringing", at=0)
    other = await asyncpg.connect(database.superuser_dsn)

    async def is_under_way() -> bool:
        return bool(await other.fetchval(_WAITING))

    async with process(database, port) as running, connected(port) as peer, other.transaction():
        await other.execute("LOCK TABLE calls.provider_event_keys IN SHARE MODE")
        asked = asyncio.create_task(ingest(peer, body))
        await eventually(is_under_way, within_seconds=20)
        running.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await asked
    await other.close()

    async with process(database, port), connected(port) as peer:
        await ingest(peer, body)
    assert 1 == len(await database.fetch("SELECT id FROM calls.provider_events"))


_WAITING = """
SELECT EXISTS (SELECT FROM pg_locks AS lock JOIN pg_class AS relation ON relation.oid = lock.relation
                WHERE NOT lock.granted AND relation.relname = 'provider_event_keys')
"""


async def test_it_names_every_problem_of_its_configuration() -> None:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.calls",
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}", "CALLS_LISTEN": "nowhere"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await started.communicate()

    assert 2 == started.returncode
    for name in ("CALLS_DATABASE_URL", "CALLS_LISTEN", "PRINCIPAL_SECRET", "VAPI_API_KEY"):
        assert name in complaint.decode()
