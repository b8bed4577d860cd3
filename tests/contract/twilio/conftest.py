"""Two worlds for one suite: the fake provider, and the real adapter in front of the sandbox."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import uuid4

import pytest

from deploy.sandbox import app
from deploy.sandbox.config import Config
from deploy.sandbox.sandbox import Sandbox
from deploy.sandbox.settings import Settings
from libs.breaker import Breaker
from libs.environment import Secret
from services.notify.domain.messages import Message, MessageStatus
from services.notify.operations.sending import MessageProvider
from services.notify.twilio import Twilio
from tests.support.fake_message_provider import FakeMessageProvider

SPECIFICATIONS = (Path(__file__).parents[3] / "../shared/providers").resolve()
ACCOUNT = "AC" + "0" * 32
TOKEN = "token-1"
SENDER = "+15148447210"
RECIPIENT = "+15145550199"
CALLBACK_URL = "http://127.0.0.1:9/hooks/twilio/main/sms-status"


def new_message(**fields: Any) -> Message:
    now = datetime.now(UTC)
    defaults = {
        "id": uuid4(),
        "org_id": uuid4(),
        "recipient": RECIPIENT,
        "body": "Eau dans le sous-sol é € {x}",
        "status": MessageStatus.SENDING,
        "provider_message_id": "",
        "error_code": "",
        "attempts": 1,
        "rounds": 0,
        "lookups": 0,
        "alert_id": None,
        "traceparent": "",
        "created_at": now,
        # As a look has it: a little before the request.
        "claimed_at": now - timedelta(seconds=5),
        "sent_at": None,
        "delivered_at": None,
    }
    return Message(**{**defaults, **fields})


class World(Protocol):
    """The provider, and what only its owner sees and can do."""

    @property
    def provider(self) -> MessageProvider: ...

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, message_made: bool = False
    ) -> None: ...

    def refuse(self, number: str, code: str) -> None: ...

    def made(self) -> list[str]: ...


@dataclass
class FakeWorld:
    provider: FakeMessageProvider

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, message_made: bool = False
    ) -> None:
        self.provider.fail_next(mode, status=status, message_made=message_made)

    def refuse(self, number: str, code: str) -> None:
        self.provider.refusals[number] = code

    def made(self) -> list[str]:
        return [text.body for text in self.provider.texts]


@dataclass
class SandboxWorld:
    provider: Twilio
    sandbox: Sandbox

    def fail_next(
        self, mode: Literal["timeout", "reset", "http"], *, status: int = 500, message_made: bool = False
    ) -> None:
        fault = {"mode": mode, "status": status, "callMade": message_made, "count": 1, "holdSeconds": 5}
        self.sandbox.faults.order({"twilio.createMessage": fault})

    def refuse(self, number: str, code: str) -> None:
        self.sandbox.change_settings({"twilioErrors": {number: int(code)}})

    def made(self) -> list[str]:
        return [text.body for text in self.sandbox.messages.messages.values()]

    def requests(self) -> list[dict[str, Any]]:
        return list(self.sandbox.journal.entries("requests"))


def adapter(base_url: str, **changes: Any) -> Twilio:
    settings: dict[str, Any] = {
        "base_url": base_url,
        "account_sid": ACCOUNT,
        "auth_token": Secret(TOKEN),
        "sender": SENDER,
        "status_callback_url": CALLBACK_URL,
        "request_seconds": 0.5,
        "breaker": Breaker("twilio", failures_max=5, open_seconds=0.2),
    }
    return Twilio(**{**settings, **changes})


@pytest.fixture(scope="session")
async def running_sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[app.Running]:
    """Checks every request against the official specification if that is at hand, else against our own."""
    config = Config(
        data_dir=tmp_path_factory.mktemp("sandbox"),
        openapi_dir=SPECIFICATIONS if SPECIFICATIONS.is_dir() else None,
        settings=Settings(twilio_account_sid=ACCOUNT, twilio_auth_token=TOKEN),
    )
    async with app.running(config) as running:
        yield running


@pytest.fixture
async def sandbox_world(running_sandbox: app.Running) -> AsyncIterator[SandboxWorld]:
    await running_sandbox.sandbox.reset()
    running_sandbox.sandbox.faults.clear()
    running_sandbox.sandbox.change_settings({"twilioErrors": {}})
    twilio = adapter(f"{running_sandbox.url}/twilio")
    try:
        yield SandboxWorld(twilio, running_sandbox.sandbox)
    finally:
        await twilio.close()


@pytest.fixture(params=["fake", "sandbox"])
def world(request: pytest.FixtureRequest) -> World:
    made: dict[str, Callable[[], World]] = {
        "fake": lambda: FakeWorld(FakeMessageProvider()),
        "sandbox": lambda: request.getfixturevalue("sandbox_world"),
    }
    return made[request.param]()
