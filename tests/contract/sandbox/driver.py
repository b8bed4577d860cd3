"""The sandbox from outside, and a server in the product's place that takes its webhooks."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.sandbox.app import running
from deploy.sandbox.config import Config
from deploy.sandbox.settings import Settings
from tests.support.waiting import eventually

PROVIDERS = (Path(__file__).parents[3] / "../shared/providers").resolve()
KEY = "sandbox-key"
SECRET = "sandbox-webhook-secret"
ACCOUNT = "AC" + "0" * 32
TOKEN = "sandbox-auth-token"
SETTINGS = Settings(
    vapi_api_key=KEY,
    webhook_secret=SECRET,
    twilio_account_sid=ACCOUNT,
    twilio_auth_token=TOKEN,
    speed=200.0,
    report_delay_seconds=0.01,
    call_seconds=(0.05, 0.1),
)


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.raw)["message"])


@dataclass
class Product:
    """Records what it gets; `answer` makes the answer to a webhook from its message."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Any] = lambda _message: {}
    statuses: list[int] = field(default_factory=list)

    def start_over(self) -> None:
        self.received, self.statuses = [], []
        self.answer = lambda _message: {}

    async def take(self, request: Request) -> Response:
        got = Received(request.url.path, dict(request.headers), await request.body())
        self.received.append(got)
        status = self.statuses.pop(0) if self.statuses else 200
        is_json = got.headers.get("content-type", "").startswith("application/json")
        return JSONResponse(self.answer(got.message) if is_json else {}, status_code=status)

    def of(self, call_id: str) -> list[dict[str, Any]]:
        return [r.message for r in self.received if r.message["call"]["id"] == call_id]


@dataclass
class Door:
    """The sandbox from outside."""

    url: str
    http: httpx.AsyncClient
    phone_number_id: str
    assistant_id: str

    async def get(self, path: str) -> Any:
        return (await self.http.get(f"/sandbox/{path}")).raise_for_status().json()

    async def post(self, path: str, body: Any) -> Any:
        return (await self.http.post(f"/sandbox/{path}", json=body)).raise_for_status().json()

    async def vapi(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {KEY}", **more.pop("headers", {})}
        return await self.http.request(method, f"/vapi{path}", json=body, headers=headers, **more)

    async def text(self, **form: str) -> httpx.Response:
        path = f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        return await self.http.post(path, data=form, auth=(ACCOUNT, TOKEN))

    def dial(self, **more: Any) -> dict[str, Any]:
        """The body of a call to a valid number."""
        body = {"assistantId": self.assistant_id, "phoneNumberId": self.phone_number_id}
        return {**body, "customer": {"number": "+15142885071"}, **more}

    async def call(self, call_id: str) -> dict[str, Any]:
        calls = (await self.get("calls"))["calls"]
        return next(dict(call) for call in calls if call["id"] == call_id)

    async def reported(self, call_id: str) -> dict[str, Any]:
        """The call once it is over and every webhook is out."""

        async def over() -> bool:
            call = await self.call(call_id)
            return bool(call["reported"]) and (await self.get("deliveries"))["pending"] == 0

        await eventually(over)
        return await self.call(call_id)

    async def played(self, script: str, **more: Any) -> dict[str, Any]:
        started = await self.post("inboundCalls", {"script": script, **more})
        return await self.reported(started["id"])


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[Door]:
    async with running(config) as run, httpx.AsyncClient(base_url=run.url, timeout=10) as http:
        settings = (await http.get("/sandbox/settings")).json()
        yield Door(run.url, http, settings["phoneNumberId"], settings["assistantId"])
