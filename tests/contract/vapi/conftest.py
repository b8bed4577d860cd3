"""Two worlds for one suite: the fake provider, and the real adapter in front of the sandbox."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

from deploy.sandbox import app
from deploy.sandbox.config import Config
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.settings import Settings
from libs.environment import Secret
from services.calls.vapi import Vapi, VapiTransport, Webhook
from tests.support.fake_voice_provider import FakeVoiceProvider

SPECIFICATIONS = (Path(__file__).parents[3] / "../shared/providers").resolve()
WEBHOOK_URL = "http://127.0.0.1:9/hooks/vapi/main"


class Placing(Protocol):
    provider: Any


class World(Placing, Protocol):
    """The provider, and what only its owner sees and can do."""

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, call_made: bool = False
    ) -> None: ...

    def limit_lines(self, lines: int) -> None: ...

    def made(self) -> int: ...


@dataclass
class FakeWorld:
    provider: FakeVoiceProvider

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, call_made: bool = False
    ) -> None:
        self.provider.fail_next(mode, status=status, call_made=call_made)

    def limit_lines(self, lines: int) -> None:
        self.provider.lines = lines

    def made(self) -> int:
        return len(self.provider.calls)


@dataclass
class SandboxWorld:
    provider: Vapi
    sandbox: Sandbox
    paged: Callable[[int], Vapi]

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, call_made: bool = False
    ) -> None:
        fault = {"mode": mode, "status": status, "callMade": call_made, "count": 1, "holdSeconds": 5}
        self.sandbox.faults.order({"vapi.createCall": fault})

    def limit_lines(self, lines: int) -> None:
        self.sandbox.change_settings({"concurrencyLimit": lines})

    def made(self) -> int:
        return len(self.sandbox.calls.calls)

    def requests(self) -> list[dict[str, Any]]:
        return list(self.sandbox.journal.entries("requests"))


@pytest.fixture(scope="session")
async def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[app.Running]:
    """Checks every request against the official specification if that is at hand, else against our own."""
    config = Config(
        data_dir=tmp_path_factory.mktemp("sandbox"),
        openapi_dir=SPECIFICATIONS if SPECIFICATIONS.is_dir() else None,
        settings=Settings(vapi_api_key="key-1", call_seconds=(60.0, 60.0)),
    )
    async with app.running(config) as running:
        yield running


@pytest.fixture
async def sandbox_world(running_sandbox: app.Running) -> AsyncIterator[SandboxWorld]:
    await running_sandbox.sandbox.reset()
    running_sandbox.sandbox.change_settings({"concurrencyLimit": 10})
    transport = VapiTransport(base_url=f"{running_sandbox.url}/vapi", api_key=Secret("key-1"))
    webhook = Webhook(url=WEBHOOK_URL, secret=Secret("hook-secret"))

    def paged(page_size: int) -> Vapi:
        return Vapi(transport, webhook=webhook, post_seconds_max=0.5, page_size=page_size)

    try:
        yield SandboxWorld(paged(100), running_sandbox.sandbox, paged)
    finally:
        await transport.close()


@pytest.fixture(params=["fake", "sandbox"])
def world(request: pytest.FixtureRequest) -> World:
    made: dict[str, Callable[[], World]] = {
        "fake": lambda: FakeWorld(FakeVoiceProvider()),
        "sandbox": lambda: request.getfixturevalue("sandbox_world"),
    }
    return made[request.param]()
