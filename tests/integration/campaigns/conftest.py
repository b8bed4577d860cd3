"""One `campaigns` per test, on a database of its own, beside a fake `calls` and a fake `notify`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from libs import failpoints
from libs.rpc import Peer
from services.campaigns.app import running
from tests.integration.campaigns.fake_calls import EventLog, FakeCalls, serving_log
from tests.integration.campaigns.harness import Service, config, signer
from tests.support.postgres import Database

StartService = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture(autouse=True)
def _no_failpoints() -> Any:
    yield
    failpoints.configure("")


@pytest.fixture
async def calls() -> FakeCalls:
    return FakeCalls()


@pytest.fixture
async def start_service(database: Database, calls: FakeCalls) -> AsyncIterator[StartService]:
    """Starts the service with changed settings, as often as a test likes, on one database."""
    notify = EventLog("notify")
    async with calls.serving(signer()) as calls_address, serving_log(notify, signer()) as notify_address:

        @asynccontextmanager
        async def start(**changes: Any) -> AsyncIterator[Service]:
            settings = config(database, calls=calls_address, notify=notify_address, **changes)
            async with running(settings) as service:
                peer = Peer(f"127.0.0.1:{service.port}", signer=signer(), service="tests")
                yield Service(service, database, calls, notify, peer)
                await peer.close()

        yield start


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    async with start_service() as started:
        yield started
