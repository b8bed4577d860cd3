"""One `notify` per test, on a database of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from deploy.sandbox import app as sandbox_app
from deploy.sandbox.config import Config as SandboxConfig
from deploy.sandbox.settings import Settings
from libs import failpoints
from libs.rpc import Peer
from services.notify.app import running
from tests.integration.notify.harness import (
    ACCOUNT,
    TOKEN,
    EventLog,
    Receiver,
    Service,
    config,
    receiving,
    serving_log,
    signer,
)
from tests.support.postgres import Database

StartService = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture(autouse=True)
def _no_failpoints() -> Iterator[None]:
    yield
    failpoints.configure("")


@pytest.fixture(scope="session")
async def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[sandbox_app.Running]:
    settings = Settings(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN, speed=200.0)
    config = SandboxConfig(data_dir=tmp_path_factory.mktemp("sandbox"), settings=settings)
    async with sandbox_app.running(config) as run:
        yield run


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def start_service(
    database: Database, running_sandbox: sandbox_app.Running
) -> AsyncIterator[StartService]:
    """Starts the service with changed settings, as often as a test likes, on one database and its logs."""
    await running_sandbox.sandbox.reset()
    running_sandbox.sandbox.change_settings({"twilioErrors": {}})
    running_sandbox.sandbox.faults.clear()
    calls, campaigns, org_id = EventLog("calls"), EventLog("campaigns"), uuid4()
    async with serving_log(calls) as calls_address, serving_log(campaigns) as campaigns_address:

        @asynccontextmanager
        async def start(**changes: Any) -> AsyncIterator[Service]:
            settings = config(
                database,
                calls=calls_address,
                campaigns=campaigns_address,
                twilio=f"{running_sandbox.url}/twilio",
                **changes,
            )
            async with running(settings) as service:
                peer = Peer(f"127.0.0.1:{service.port}", signer=signer(), service="tests")
                yield Service(
                    service.port,
                    database,
                    calls,
                    campaigns,
                    running_sandbox.sandbox,
                    peer,
                    settings,
                    org_id=org_id,
                )
                await peer.close()

        yield start


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    async with start_service() as started:
        yield started
