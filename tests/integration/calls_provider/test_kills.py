"""kill -9 around the POST of a call: another process finds out what became of it, and nobody dials again."""

import asyncio
import os
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
from services.calls.app import running
from services.calls.config import Config
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
    """A process of the service that kills itself at a failpoint."""
    paths = f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}"
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.calls",
        cwd=REPOSITORY,
        env={**environ, "PATH": os.environ["PATH"], "PYTHONPATH": paths, "FAILPOINTS": f"{failpoint}=kill"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@pytest.mark.parametrize(
    ("failpoint", "dialed"),
    [("place.before_post", 0), ("place.mid_post", 1), ("place.after_post", 1), ("place.after_commit", 1)],
)
async def test_a_kill_around_the_post_dials_at_most_once(
    database: Database, tmp_path: Path, failpoint: str, dialed: int
) -> None:
    settings = Settings(vapi_api_key="key-1", call_seconds=(60.0, 60.0))
    request = calls_pb2.PlaceCallRequest(
        call_id=str(uuid4()),
        customer_number="+15145551234",
        provider_assistant_id=ASSISTANT_ID,
        phone_number_id=PHONE_NUMBER_ID,
    )
    port = free_port()
    peer = Peer(f"127.0.0.1:{port}", signer=PrincipalSigner(SECRET), service="campaigns")
    stub = calls_pb2_grpc.CallServiceStub(peer.channel)

    async def place() -> calls_pb2.Placement:
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
        async with doomed(environ, failpoint=failpoint) as first:
            with pytest.raises(grpc.aio.AioRpcError):
                await place()
            assert await first.wait() == -9
        await database.fetch(
            "UPDATE calls.calls SET placement_requested_at = now() - make_interval(secs => $1)",
            PENDING_SECONDS,
        )
        # The dead process held them; they would expire by themselves.
        await database.execute("DELETE FROM calls.leases")
        async with running(Config.from_env(environ)):
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
