"""The process is killed around the request that costs money, with SIGKILL, and started again."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.ports import free_port
from libs.rpc import Peer
from tests.integration.campaigns.fake_calls import EventLog, FakeCalls, Script, serving_log
from tests.integration.campaigns.harness import PRINCIPAL_SECRET, Service, signer
from tests.support.postgres import REPOSITORY, Database
from tests.support.waiting import eventually

CAP = 3


@asynccontextmanager
async def _process(
    environ: dict[str, str], *, failpoints: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.campaigns",
        cwd=REPOSITORY,
        env={**environ, "FAILPOINTS": failpoints},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                await process.wait()


def _environ(database: Database, *, port: int, calls_address: str, notify_address: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}",
        "CAMPAIGNS_DATABASE_URL": database.dsn("campaigns"),
        "CAMPAIGNS_WORKER_DATABASE_URL": database.dsn("campaigns_worker"),
        "CAMPAIGNS_LISTEN": f"127.0.0.1:{port}",
        "CAMPAIGNS_INTENT_SECONDS": "3",
        "CAMPAIGNS_PLACE_SECONDS": "2",
        "CAMPAIGNS_RECONCILE_SECONDS": "0.2",
        "CALLS_ADDRESS": calls_address,
        "NOTIFY_ADDRESS": notify_address,
        "PRINCIPAL_SECRET": PRINCIPAL_SECRET,
    }


async def _completed(database: Database) -> bool:
    rows = await database.fetch("SELECT status FROM campaigns.campaigns")
    return bool(rows[0]["status"] == "COMPLETED")


@pytest.mark.parametrize(
    "place",
    # The other failpoints are struck by errors, see test_trouble; a kill differs in what it leaves behind.
    ["dial.before_post", "dial.after_post", "permit.before_release"],
)
async def test_after_a_kill_every_contact_is_still_called_once_under_the_cap(
    database: Database, calls: FakeCalls, place: str
) -> None:
    calls.script = lambda _: Script(seconds=0.2)
    notify, port = EventLog("notify"), free_port()
    async with calls.serving(signer()) as calls_address, serving_log(notify, signer()) as notify_address:
        environ = _environ(database, port=port, calls_address=calls_address, notify_address=notify_address)
        peer = Peer(f"127.0.0.1:{port}", signer=signer(), service="tests")
        service = Service(None, database, calls, notify, peer)
        async with _process(environ, failpoints=f"{place}=kill#5") as doomed:
            async with asyncio.timeout(30):
                await peer.channel.channel_ready()
            campaign = await service.campaign(contacts=10, cap=CAP)
            await service.start(campaign.id)
            async with asyncio.timeout(15):
                assert -signal.SIGKILL == await doomed.wait()
        async with _process(environ) as reborn:
            await eventually(lambda: _completed(database), within_seconds=30)
        assert 0 == reborn.returncode
        await peer.close()

    numbers = Counter(call.request.customer_number for call in calls.calls.values())
    assert (10, {1}) == (len(numbers), set(numbers.values()))
    assert calls.max_active <= CAP


async def test_a_process_that_stood_still_does_not_send_what_another_has_taken_over(
    database: Database, calls: FakeCalls
) -> None:
    """K15, K16: stopped just before the request, for longer than its leases and its fence; another process
    leads meanwhile, and the first one believes on waking that it still does."""
    calls.script = lambda _: Script(seconds=0.4)
    notify, ports = EventLog("notify"), (free_port(), free_port())
    async with calls.serving(signer()) as calls_address, serving_log(notify, signer()) as notify_address:
        first, second = (
            _environ(database, port=port, calls_address=calls_address, notify_address=notify_address)
            for port in ports
        )
        peer = Peer(f"127.0.0.1:{ports[0]}", signer=signer(), service="tests")
        service = Service(None, database, calls, notify, peer)
        async with _process(first, failpoints="dial.before_post=sleep:2000#5") as stopped:
            async with asyncio.timeout(30):
                await peer.channel.channel_ready()
            campaign = await service.campaign(contacts=60, cap=CAP)
            await service.start(campaign.id)
            held = await eventually(lambda: _unsent(database))
            stopped.send_signal(signal.SIGSTOP)
            try:
                async with _process(second):
                    # The intent is too old for the first process now, and another one has sent it.
                    await eventually(lambda: _sent(calls, held))
                    stopped.send_signal(signal.SIGCONT)
                    await eventually(lambda: _completed(database), within_seconds=60)
            finally:
                stopped.send_signal(signal.SIGCONT)
        await peer.close()

    numbers = Counter(call.request.customer_number for call in calls.calls.values())
    assert (60, {1}) == (len(numbers), set(numbers.values()))
    assert 1 == calls.requests.count(held)
    assert calls.max_active <= CAP
    free = await database.fetch("SELECT FROM campaigns.slots WHERE attempt_id IS NOT NULL")
    assert [] == free


async def _unsent(database: Database) -> str | None:
    """An attempt that was decided a while ago and not sent."""
    rows = await database.fetch(
        "SELECT id FROM campaigns.attempts WHERE state = 'INTENT' AND created_at < now() - interval '0.5 s'"
    )
    return str(rows[0]["id"]) if rows else None


async def _sent(calls: FakeCalls, attempt_id: str) -> bool:
    return attempt_id in calls.requests
