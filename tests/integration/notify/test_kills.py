"""The process is killed where it hurts, and started again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.notify.config import Config
from tests.integration.notify.conftest import StartService
from tests.integration.notify.harness import ON_CALL, Receiver, Service
from tests.support.postgres import REPOSITORY
from tests.support.waiting import eventually


def environment(config: Config, *, failpoints: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'protos/gen'}",
        "NOTIFY_DATABASE_URL": config.database_url.reveal(),
        "NOTIFY_WORKER_DATABASE_URL": config.worker_database_url.reveal(),
        "NOTIFY_LISTEN": "127.0.0.1:0",
        "CALLS_ADDRESS": config.calls_address,
        "CAMPAIGNS_ADDRESS": config.campaigns_address,
        "PRINCIPAL_SECRET": config.principal_secret.reveal(),
        "NOTIFY_ENCRYPTION_KEY": config.encryption_key.reveal(),
        "TWILIO_BASE_URL": config.twilio_base_url,
        "TWILIO_ACCOUNT_SID": config.twilio_account_sid,
        "TWILIO_AUTH_TOKEN": config.twilio_auth_token.reveal(),
        "TWILIO_FROM": config.twilio_from,
        "NOTIFY_ALLOW_PRIVATE_URLS": "1",
        "FAILPOINTS": failpoints,
    }


@asynccontextmanager
async def process(config: Config, *, failpoints: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.notify"),
        cwd=REPOSITORY,
        env=environment(config, failpoints=failpoints),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def killed(service: Service, *, failpoints: str) -> None:
    """A second process takes the work and dies of it."""
    async with process(service.config, failpoints=failpoints) as other, asyncio.timeout(20):
        assert -signal.SIGKILL == await other.wait()


async def settled(service: Service) -> list[Any]:
    """The messages nothing more happens to; what a dead process left behind is looked up at once."""
    await service.database.execute("UPDATE notify.messages SET lookup_at = now() WHERE status = 'SENDING'")
    return await service.database.fetch(
        "SELECT status, attempts FROM notify.messages WHERE status NOT IN ('QUEUED', 'SENDING')"
    )


@pytest.mark.parametrize(("failpoint", "texts"), [("sms.after_post", 1), ("sms.before_post", 0)])
async def test_a_sender_killed_around_the_post_never_sends_twice(
    start_service: StartService, failpoint: str, texts: int
) -> None:
    async with start_service() as service:
        await service.policy()
    await service.lead_created()
    await killed(service, failpoints=f"{failpoint}=kill")

    async with start_service() as service:
        [row] = await eventually(lambda: settled(service), within_seconds=20)

    assert texts == len(service.texts(ON_CALL))
    assert ("FAILED" if texts == 0 else "SENT", 1) == (
        row["status"].replace("DELIVERED", "SENT"),
        row["attempts"],
    )


async def test_a_deliverer_killed_after_sending_sends_the_same_id_once_more(
    start_service: StartService, receiver: Receiver
) -> None:
    async with start_service() as service:
        webhook = await service.webhook(receiver.url)
    await service.call_ended()
    await killed(service, failpoints="hook.after_send=kill")
    await service.database.execute("UPDATE notify.deliveries SET leased_until = now()")

    async with start_service() as service:
        await service.delivery(webhook.id, "DELIVERED")

    assert 2 == len(receiver.received)
    assert 1 == len({got.headers["webhook-id"] for got in receiver.received})


@pytest.mark.parametrize("failpoint", ["consumer.before_commit", "consumer.after_commit"])
async def test_a_consumer_killed_around_its_commit_alerts_once(
    start_service: StartService, receiver: Receiver, failpoint: str
) -> None:
    """The sender dies with the consumer, perhaps with the text in its hand: then that is looked up and not
    sent again."""
    async with start_service() as service:
        await service.policy()
        webhook = await service.webhook(receiver.url, "lead.created")
    await service.lead_created()
    await killed(service, failpoints=f"{failpoint}=kill")

    async with start_service() as service:
        [row] = await eventually(lambda: settled(service), within_seconds=20)
        await service.database.execute(
            "UPDATE notify.deliveries SET leased_until = now() WHERE leased_until IS NOT NULL"
        )
        await service.delivery(webhook.id, "DELIVERED")

    assert (0 if row["status"] == "FAILED" else 1) == len(service.texts())
    assert 1 == len({got.headers["webhook-id"] for got in receiver.received})
    assert 1 == len(await service.database.fetch("SELECT FROM notify.alerts"))


async def test_it_stops_in_time_and_says_so(start_service: StartService) -> None:
    async with start_service() as service:
        pass
    async with process(service.config, failpoints="") as running, asyncio.timeout(20):

        async def connected() -> list[Any]:
            return await service.database.fetch(
                """
                SELECT pid FROM pg_stat_activity
                 WHERE usename = 'notify_worker' AND datname = current_database()
                """
            )

        await eventually(connected)
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert 0 == await running.wait()
