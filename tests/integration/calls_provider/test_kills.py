"""kill -9 around the POST of a call: another process finds out what became of it, and nobody dials again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import grpc.aio
import pytest

from callplane.calls.v2 import calls_pb2, calls_pb2_grpc
from deploy.sandbox import app as sandbox_app
from deploy.sandbox.config import Config as SandboxConfig
from deploy.sandbox.settings import Settings
from libs.rpc import Peer, PrincipalSigner
from services.calls.app import folding, running
from services.calls.config import Config
from services.calls.operations.placement import SEND_SECONDS_MAX
from tests.integration.calls_provider.conftest import ORG
from tests.support.fake_voice_provider import ASSISTANT_ID, PHONE_NUMBER_ID
from tests.support.postgres import REPOSITORY, Database
from tests.support.waiting import eventually

SECRET = "a principal secret for tests, long enough"
# The youngest a PENDING placement may be that another process looks up.
PENDING_SECONDS = 20


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment(database: Database, *, vapi_url: str, port: int) -> dict[str, str]:
    return {
        "CALLS_DATABASE_URL": database.dsn("calls"),
        "CALLS_WORKER_DATABASE_URL": database.dsn("calls_worker"),
        "CALLS_LISTEN": f"127.0.0.1:{port}",
        "CALLS_WEBHOOK_PUBLIC_URL": "http://127.0.0.1:9/hooks/vapi/main",
        "CALLS_SETTLE_SECONDS": "0.6",
        "CALLS_RECONCILE_SECONDS": "0.1",
        "PRINCIPAL_SECRET": SECRET,
        "VAPI_BASE_URL": vapi_url,
        "VAPI_API_KEY": "key-1",
    }


@asynccontextmanager
async def doomed(environ: dict[str, str], *, failpoint: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of the service with a failpoint."""
    paths = f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}"
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.calls",
        cwd=REPOSITORY,
        env={**environ, "PATH": os.environ["PATH"], "PYTHONPATH": paths, "FAILPOINTS": failpoint},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


def order() -> calls_pb2.PlaceCallRequest:
    return calls_pb2.PlaceCallRequest(
        call_id=str(uuid4()),
        customer_number="+15145551234",
        provider_assistant_id=ASSISTANT_ID,
        phone_number_id=PHONE_NUMBER_ID,
    )


async def made_old(database: Database) -> None:
    """Placements that nobody answered become old enough for another process to look them up."""
    await database.fetch(
        "UPDATE calls.calls SET placement_requested_at = now() - make_interval(secs => $1)", PENDING_SECONDS
    )
    # The other process held them; they would expire by themselves.
    await database.execute("DELETE FROM calls.leases")


@pytest.mark.parametrize(
    ("failpoint", "dialed"),
    [("place.before_post", 0), ("place.mid_post", 1), ("place.after_post", 1), ("place.after_commit", 1)],
)
async def test_a_kill_around_the_post_dials_at_most_once(
    database: Database, tmp_path: Path, failpoint: str, dialed: int
) -> None:
    settings = Settings(vapi_api_key="key-1", call_seconds=(60.0, 60.0))
    request = order()
    port = free_port()
    peer = Peer(f"127.0.0.1:{port}", signer=PrincipalSigner(SECRET), service="campaigns")
    stub = calls_pb2_grpc.CallServiceStub(peer.channel)

    async def place() -> calls_pb2.Placement:
        async with asyncio.timeout(30):
            await peer.channel.channel_ready()
        answer = await stub.PlaceCall(request, metadata=peer.metadata(ORG), timeout=15)
        placement: calls_pb2.Placement = answer.placement
        return placement

    async def settled() -> bool:
        call = await stub.GetCall(
            calls_pb2.GetCallRequest(id=request.call_id), metadata=peer.metadata(ORG), timeout=15
        )
        return bool(call.placement == calls_pb2.Placement.PLACED or call.status == calls_pb2.Call.FAILED)

    async with sandbox_app.running(SandboxConfig(data_dir=tmp_path, settings=settings)) as sandbox:
        environ = environment(database, vapi_url=f"{sandbox.url}/vapi", port=port)
        async with doomed(environ, failpoint=f"{failpoint}=kill") as first:
            with pytest.raises(grpc.aio.AioRpcError):
                await place()
            assert await first.wait() == -9
        await made_old(database)
        config = Config.from_env(environ)
        async with folding(config), running(config):
            repeat = await place()
            await eventually(settled)

        assert repeat.result in (calls_pb2.Placement.UNKNOWN, calls_pb2.Placement.PLACED)
        assert len(sandbox.sandbox.calls.calls) == dialed
        held = await database.fetch("SELECT FROM calls.lines WHERE call_id IS NOT NULL")
        events = await database.fetch("SELECT type FROM calls.outbox")
        assert len(held) == dialed
        expected = "callplane.call.placed.v1" if dialed else "callplane.call.failed.v1"
        # A call that was found under way is started as well.
        assert [row["type"] for row in events if "started" not in row["type"]] == [expected]
    await peer.close()


async def test_a_process_that_stood_still_before_the_post_does_not_send_it_late(
    database: Database, tmp_path: Path
) -> None:
    """K15: stopped between the commit and the POST for longer than it may take to send; another process has
    looked the call up and given it up."""
    settings = Settings(vapi_api_key="key-1", call_seconds=(60.0, 60.0))
    request, ports = order(), (free_port(), free_port())
    peers = [Peer(f"127.0.0.1:{port}", signer=PrincipalSigner(SECRET), service="campaigns") for port in ports]
    stubs = [calls_pb2_grpc.CallServiceStub(peer.channel) for peer in peers]

    async def stored() -> bool:
        return bool(await database.fetch("SELECT FROM calls.calls"))

    async def given_up() -> bool:
        call = await stubs[1].GetCall(
            calls_pb2.GetCallRequest(id=request.call_id), metadata=peers[1].metadata(ORG), timeout=15
        )
        return bool(call.status == calls_pb2.Call.FAILED)

    async with sandbox_app.running(SandboxConfig(data_dir=tmp_path, settings=settings)) as sandbox:
        environs = [environment(database, vapi_url=f"{sandbox.url}/vapi", port=port) for port in ports]
        async with doomed(environs[0], failpoint="place.before_post=sleep:1000") as stopped:
            async with asyncio.timeout(30):
                await peers[0].channel.channel_ready()
            placing = asyncio.ensure_future(
                stubs[0].PlaceCall(request, metadata=peers[0].metadata(ORG), timeout=60)
            )
            await eventually(stored)
            stopped.send_signal(signal.SIGSTOP)
            still_until = asyncio.get_running_loop().time() + SEND_SECONDS_MAX
            await made_old(database)
            config = Config.from_env(environs[1])
            async with folding(config), running(config):
                await eventually(given_up)

                async def stood_still() -> bool:
                    return asyncio.get_running_loop().time() > still_until

                await eventually(stood_still)
                stopped.send_signal(signal.SIGCONT)
                answer = await placing

        assert calls_pb2.Placement.PLACED != answer.placement.result
        assert {} == sandbox.sandbox.calls.calls
        assert [] == await database.fetch("SELECT FROM calls.lines WHERE call_id IS NOT NULL")
    for peer in peers:
        await peer.close()
