"""The gateway as a process: migrations, start, and an end that answers what it has begun."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from structlog.testing import capture_logs

from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.harness import PRINCIPAL_SECRET, PUBLIC_URL, unreachable
from tests.integration.gateway.peers import Peers
from tests.support.postgres import Database
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def environment(database: Database, peers: Peers, *, http_port: int) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}",
        "GATEWAY_DATABASE_URL": database.dsn("gateway"),
        "GATEWAY_WORKER_DATABASE_URL": database.dsn("gateway_worker"),
        "GATEWAY_OWNER_DATABASE_URL": database.dsn("gateway_owner"),
        "GATEWAY_LISTEN": "127.0.0.1:0",
        "GATEWAY_HTTP_LISTEN": f"127.0.0.1:{http_port}",
        "GATEWAY_AUTHZ_LISTEN": "127.0.0.1:0",
        "GATEWAY_PUBLIC_URL": PUBLIC_URL,
        "GATEWAY_ENCRYPTION_KEY": "encryption-key-of-the-gateway-tests",
        "PRINCIPAL_SECRET": PRINCIPAL_SECRET,
        "CALLS_ADDRESS": peers.address("calls"),
        "CAMPAIGNS_ADDRESS": peers.address("campaigns"),
        "NOTIFY_ADDRESS": peers.address("notify"),
    }


@asynccontextmanager
async def process(environ: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway",
        *arguments,
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_it_migrates_serves_and_ends_on_sigterm(blank_database: Database, peers: Peers) -> None:
    environ = environment(blank_database, peers, http_port=free_port())
    async with process(environ, "migrate") as migrating:
        assert 0 == await migrating.wait()

    async with process(environ) as serving, httpx.AsyncClient() as http:
        url = f"http://{environ['GATEWAY_HTTP_LISTEN']}/health"

        async def healthy() -> bool:
            try:
                return (await http.get(url)).status_code == 200
            except httpx.TransportError:
                return False

        assert await eventually(healthy, within_seconds=20)
        serving.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            output, errors = await serving.communicate()

    assert 0 == serving.returncode
    assert b"" == errors
    assert all(line.startswith(b"{") for line in output.splitlines())
    assert b"encryption-key-of" not in output
    assert b'"encryption_key"' not in output or b"***" in output


async def test_it_ends_in_order_while_the_database_is_away(
    start_gateway: StartGateway, database: Database
) -> None:
    """What cannot be written any more is told, and keeps nothing from being closed."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(start_gateway())
        key = await gateway.key("calls:read")
        assert 200 == (await gateway.authz.get("/v2/anything", headers={"x-api-key": key.key})).status_code
        async with unreachable(database, role="gateway_worker"):
            with capture_logs() as logs:
                await stack.aclose()

    told = [(log["event"], log["reason"]) for log in logs if log["event"] == "usage not written"]
    assert [("usage not written", "DATABASE_UNAVAILABLE")] == told


async def test_an_unusable_environment_is_told_whole(database: Database, peers: Peers) -> None:
    environ = environment(database, peers, http_port=0)
    del environ["GATEWAY_ENCRYPTION_KEY"]
    environ |= {"CALLS_ADDRESS": "nowhere", "GATEWAY_PUBLIC_URL": "ftp://x/y"}

    async with process(environ) as starting:
        _, errors = await starting.communicate()

    assert 2 == starting.returncode
    for name in ("GATEWAY_ENCRYPTION_KEY", "CALLS_ADDRESS", "GATEWAY_PUBLIC_URL"):
        assert name.encode() in errors
