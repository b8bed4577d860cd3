"""What may stand in no log, no trace and no refusal: people's data and secrets, sent in everywhere."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from libs.environment import Secret
from services.gateway.domain import api_keys
from tests.support.stack import Stack
from tests.support.vapi_messages import report, said, status_update, tool_calls, tool_use
from tests.support.waiting import eventually

PHONE = "+14182607391"
CONTACT = "+14182607398"
NAME = "Zephyrine Quokkabottom"
EMAIL = "zephyrine.quokka@example.test"
ADDRESS = "4711 Wallaby Crescent"
SENTENCE = "the purple wombat hums behind the boiler"
PEOPLE = (PHONE, CONTACT, NAME, EMAIL, ADDRESS, SENTENCE)

WRONG_KEY = api_keys.generate(lambda alphabet: alphabet[7])
WRONG_SECRET = "canary-wrong-webhook-secret"
CHOSEN_SECRET = "canary-chosen-secret-of-a-source"
TAKEN_KEY = "canary-private-key-that-the-provider-takes"
ACCOUNT_KEY = "canary-private-key-of-a-provider-account"
ACCOUNT_WEBHOOK_SECRET = "canary-webhook-secret-of-a-provider-account"
HEADER_SECRET = "canary-x-vapi-secret-in-a-body"
TWILIO_TOKEN = "canary-twilio-auth-token-in-a-body"
NESTED_SECRET = "canary-api-key-in-the-arguments"
IN_BODIES = (HEADER_SECRET, TWILIO_TOKEN, NESTED_SECRET)
FAST = {"speed": 10.0, "reportDelaySeconds": 0.2, "callSeconds": [0.1, 0.3]}
CALL_ID = "canary-call"
NOBODY = "00000000-0000-4000-8000-000000000000"


class Told:
    """The door with everything it refused, and the secrets that it gave away only once."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self.http = http
        self.refusals: list[str] = []
        self.secrets = {WRONG_KEY, WRONG_SECRET, *IN_BODIES, stack.api_key}
        kept = {str(value.reveal() if isinstance(value, Secret) else value) for value in self._kept()}
        self.secrets |= {value for value in kept if len(value) >= 16}

    def _kept(self) -> list[object]:
        public = ("TWILIO_ACCOUNT_SID", "ORGANIZATION_ID")
        return [value for name, value in self.stack.running.secrets.items() if name not in public]

    async def ask(self, verb: str, path: str, **options: Any) -> dict[str, Any]:
        options["headers"] = {"x-api-key": self.stack.api_key} | options.get("headers", {})
        answer = await self.http.request(verb, path, **options)
        if answer.is_error:
            self.refusals.append(answer.text)
        body: dict[str, Any] = answer.json() if answer.text.startswith("{") else {}
        return body


@pytest.fixture(scope="module")
async def told(stack: Stack) -> AsyncIterator[Told]:
    """Everything is sent once; the tests look at what it left behind."""
    async with httpx.AsyncClient(base_url=stack.public_url, timeout=30) as http:
        told = Told(stack, http)
        await stack.sandbox.post("/sandbox/settings", FAST)
        await make_secrets(told)
        await make_working_account(told)
        await send_webhooks(told)
        await be_refused(told)
        await be_refused_by_providers(told)
        await campaign(told)
        await settled(told)
        yield told


async def make_secrets(told: Told) -> None:
    receiver = f"{told.stack.sandbox_url}/sandbox/receivers/canary"
    webhook = await told.ask("POST", "/v2/webhooks", json={"url": receiver, "events": ["call.ended"]})
    key = await told.ask("POST", "/v2/apiKeys", json={"name": "canary", "scopes": ["calls:read"]})
    told.secrets |= {webhook["secret"], key["key"]}
    await told.ask("GET", "/v2/calls", headers={"x-api-key": key["key"]})
    await told.ask("POST", f"/v2/webhooks/{webhook['id']}:test", json={})
    rotated = await told.ask("POST", f"/v2/webhooks/{webhook['id']}:rotateSecret", json={})
    told.secrets |= {rotated["secret"]} - {""}
    await make_source_secrets(told)
    await make_account_keys(told)


async def make_source_secrets(told: Told) -> None:
    """One made up, one chosen, each rotated and used in every header a secret may stand in."""
    for name, scheme in (("canary-secret", "SHARED_SECRET"), ("canary-bearer", "BEARER")):
        chosen = f"{CHOSEN_SECRET}-{name}"
        fields = {"name": name, "provider": "vapi", "schemes": [scheme], "secret": chosen}
        source = await told.ask("POST", "/v2/sources", json=fields)
        rotated = await told.ask("POST", f"/v2/sources/{source['id']}:rotateSecret", json={})
        told.secrets |= {chosen, rotated["secret"]}
        for secret in (chosen, rotated["secret"], WRONG_SECRET):
            headers = {"x-vapi-secret": secret, "authorization": f"Bearer {secret}"}
            await told.ask("POST", urlsplit(source["url"]).path, content=b"{}", headers=headers)
        refused = {"secret": CHOSEN_SECRET, "overlapHours": 9999}
        await told.ask("POST", f"/v2/sources/{source['id']}:rotateSecret", json=refused)
    told.secrets.add(CHOSEN_SECRET)


async def make_account_keys(told: Told) -> None:
    """One that the provider refuses and one that is stored untried, with a secret for its webhooks."""
    fields = {"provider": "vapi", "lines": 1, "webhookUrl": told.stack.ready["sources"]["vapi"]["url"]}
    secrets = {"apiKey": ACCOUNT_KEY, "webhookSecret": ACCOUNT_WEBHOOK_SECRET}
    await told.ask("POST", "/v2/providerAccounts", json={"name": "canary refused", **fields, **secrets})
    stored = {"name": "canary stored", "skipCheck": True, **fields, **secrets}
    account = await told.ask("POST", "/v2/providerAccounts", json=stored)
    path = f"/v2/providerAccounts/{account['id']}"
    await told.ask("POST", f"{path}:check", json={})
    # Other stories shall not call through it.
    await told.ask("PATCH", path, json={"active": False})
    await told.ask("PATCH", path, json={"apiKey": f"{ACCOUNT_KEY} with a blank"})
    told.secrets |= {ACCOUNT_KEY, ACCOUNT_WEBHOOK_SECRET}


async def make_working_account(told: Told) -> None:
    """One whose key the provider takes, and a call that is asked for with it."""
    await told.stack.sandbox.post("/sandbox/settings", {"vapiOtherKeys": [TAKEN_KEY]})
    access = {"webhookUrl": "http://127.0.0.1:9/hooks", "webhookSecret": ACCOUNT_WEBHOOK_SECRET}
    body = {"name": "canary", "provider": "vapi", "lines": 1, "apiKey": TAKEN_KEY, **access}
    account = await told.ask("POST", "/v2/providerAccounts", json=body)
    path = f"/v2/providerAccounts/{account['id']}"
    await told.ask("PATCH", path, json={"baseUrl": "https://elsewhere.example"})
    await told.ask("POST", f"{path}:check", json={})
    order = {"customerNumber": CONTACT, "providerAssistantId": NOBODY, "phoneNumberId": NOBODY}
    await told.ask("POST", "/v2/calls", json={**order, "providerAccountId": account["id"]})
    await told.ask("PATCH", path, json={"active": False})
    told.secrets.add(TAKEN_KEY)


def _echoing() -> list[bytes]:
    """Webhooks as providers send them: with what we told them, secrets and all."""
    call = {
        "customer": {"number": PHONE, "name": NAME},
        "assistant": {"server": {"url": "https://x.test", "secret": HEADER_SECRET}},
    }
    data = {"nom": NAME, "courriel": EMAIL, "adresse": ADDRESS, "description": f"Inondation. {SENTENCE}"}
    lines = [said("user", SENTENCE, at=3)]
    extra: dict[str, Any] = {
        "phoneNumber": {"number": PHONE, "twilioAuthToken": TWILIO_TOKEN},
        "headers": {"X-Vapi-Secret": HEADER_SECRET},
    }
    arguments = json.dumps({"description": SENTENCE, "api_key": NESTED_SECRET})
    whole = report(CALL_ID, call=call, lines=lines, structured_data=data, summary=SENTENCE, **extra)
    return [
        status_update(CALL_ID, "in-progress", at=1, call=call, **extra),
        tool_calls(CALL_ID, tool_use("t1", "classifyPriority", arguments), call=call, **extra),
        whole,
        whole[:-2],
        whole.replace(b'"summary"', b'"\\ud800"'),
    ]


async def send_webhooks(told: Told) -> None:
    for body in _echoing():
        for secret in (told.stack.vapi_secret, WRONG_SECRET):
            await told.ask("POST", told.stack.vapi_path, content=body, headers={"x-vapi-secret": secret})


async def be_refused(told: Told) -> None:
    """Bad bodies, bad keys, bad queries, each with somebody's data in it."""
    for body in (
        {"to": PHONE.removeprefix("+"), "body": SENTENCE},
        {"to": [PHONE], "body": SENTENCE},
        {"to": PHONE, "body": f"{SENTENCE}\0"},
        {"to": PHONE, "body": SENTENCE * 100},
    ):
        await told.ask("POST", "/v2/messages", json=body)
    await told.ask("POST", "/v2/messages", json={"to": PHONE, "body": SENTENCE}, headers={"x-api-key": ""})
    for key in ({"x-api-key": WRONG_KEY}, {"authorization": f"Bearer {WRONG_KEY}"}):
        await told.ask("GET", "/v2/calls", params={"customerNumber": PHONE}, headers=key)
    await told.ask("GET", "/v2/calls", params={"customerNumber": PHONE})
    await told.ask("GET", "/v2/calls", params={"customerNumber": PHONE, "colour": "blue"})
    await told.ask("GET", "/v2/suppressions", params={"phoneNumber": PHONE, "pageToken": "x"})
    for _ in range(2):
        await told.ask("POST", "/v2/suppressions", json={"phoneNumber": PHONE, "channel": "SMS"})
    await told.ask("POST", "/v2/messages", json={"to": PHONE, "body": SENTENCE})
    source = {"name": "x", "provider": "twilio", "schemes": ["HMAC_BODY"], "secret": TWILIO_TOKEN}
    await told.ask("POST", "/v2/sources", json=source)


async def be_refused_by_providers(told: Told) -> None:
    faults = {
        "vapi.createCall": {"mode": "http", "status": 400, "callMade": False, "count": 1},
        "twilio.createMessage": {"mode": "http", "status": 400, "callMade": False, "count": 1},
    }
    await told.stack.sandbox.post("/sandbox/faults", faults)
    ids = {"providerAssistantId": "canary", "phoneNumberId": told.stack.phone_number_id}
    await told.ask("POST", "/v2/calls", json={"customerNumber": CONTACT, "customerName": NAME, **ids})
    await told.ask("POST", "/v2/calls", json={"customerNumber": CONTACT, "customerName": NAME, **ids})
    sent = await told.ask("POST", "/v2/messages", json={"to": CONTACT, "body": SENTENCE})

    async def given_up() -> bool:
        message = await told.ask("GET", f"/v2/messages/{sent['id']}")
        return message["status"] not in ("QUEUED", "SENDING")

    await eventually(given_up, within_seconds=20)
    await told.stack.sandbox.client.delete("/sandbox/faults")


async def campaign(told: Told) -> None:
    campaign = await told.stack.campaign(name="canary")
    rows = f"name,business_name,phone\n{NAME},{ADDRESS},{CONTACT}\n{NAME},{ADDRESS},{PHONE}x\n"
    await told.stack.api.upload(f"/v2/campaigns/{campaign['id']}/contacts:import", rows.encode())
    path = f"/v2/campaigns/{campaign['id']}"
    await told.ask("POST", f"{path}/contacts:import", content=f"{NAME},{PHONE}\n".encode())
    await told.ask("POST", f"{path}:start", json={})
    await told.stack.completed(campaign["id"], within=30)
    await told.ask("GET", f"{path}/export.csv")


async def settled(told: Told) -> None:
    async def folded() -> bool:
        return not (await told.ask("GET", "/v2/providerEvents", params={"state": "PENDING"}))[
            "providerEvents"
        ]

    await eventually(folded)
    # Spans leave the processes twice a second.
    await asyncio.sleep(1.5)


def leaks(text: str, canaries: set[str]) -> set[str]:
    spelled = {canary: {canary, json.dumps(canary)[1:-1], canary.replace("+", "%2B")} for canary in canaries}
    return {canary for canary, spellings in spelled.items() if any(one in text for one in spellings)}


def written(data_dir: Path) -> dict[str, str]:
    files = [*(data_dir / "logs").glob("*.log"), *data_dir.glob("traces.jsonl*")]
    return {path.name: path.read_text("utf-8", "replace") for path in files}


async def test_no_log_and_no_trace_holds_any(told: Told) -> None:
    async def flushed() -> dict[str, str]:
        """Envoy keeps its access log back for some seconds."""
        files = written(told.stack.data_dir)
        return files if '"path":"/v2/messages"' in files["envoy.log"] else {}

    files = await eventually(flushed, within_seconds=20)

    assert {"calls.log", "gateway.log", "envoy.log", "postgres.log", "traces.jsonl"} <= set(files)
    found = {name: leaks(text, {*PEOPLE, *told.secrets}) for name, text in files.items()}
    assert {} == {name: canaries for name, canaries in found.items() if canaries}


def test_no_refusal_repeats_any(told: Told) -> None:
    assert len(told.refusals) > 15
    assert set() == leaks("\n".join(told.refusals), {*PEOPLE, *told.secrets})


async def test_the_ledger_holds_no_secret(told: Told) -> None:
    rows = await _ledger(told.stack)

    bodies = [body.decode("utf-8", "replace") for body in rows if CALL_ID.encode() in body]
    assert len(_echoing()) == len(bodies)
    assert all(PHONE in body for body in bodies)
    assert set() == leaks("\n".join(bodies), told.secrets)


async def test_provider_accounts_hold_no_secret_that_can_be_read(told: Told) -> None:
    accounts = await told.stack.api.every("/v2/providerAccounts", "providerAccounts")
    rows = await _rows(told.stack, "SELECT account::text AS row FROM calls.provider_accounts AS account")

    [account] = [one for one in accounts if one["name"] == "canary"]
    assert (TAKEN_KEY[-4:], False) == (account["apiKeyHint"], account["active"])
    assert any(account["id"] in row["row"] for row in rows)
    text = json.dumps(accounts) + "\n".join(row["row"] for row in rows)
    in_clear = {secret.encode().hex() for secret in (TAKEN_KEY, ACCOUNT_KEY, ACCOUNT_WEBHOOK_SECRET)}
    assert set() == leaks(text, {*told.secrets, *in_clear})


async def _ledger(stack: Stack) -> list[bytes]:
    return [row["body"] for row in await _rows(stack, "SELECT body FROM calls.provider_events")]


async def _rows(stack: Stack, query: str) -> list[asyncpg.Record]:
    owner = str(stack.ready["databases"]["calls"])
    secrets = stack.running.secrets
    password = str(secrets["DATABASE_PASSWORD_CALLS_WORKER"])
    # The worker, because row level security hides every row from the owner.
    conn = await asyncpg.connect(owner, user="calls_worker", password=password)
    try:
        return list(await conn.fetch(query))
    finally:
        await conn.close()


async def test_what_customers_read_holds_no_secret(told: Told) -> None:
    calls = await told.stack.api.every("/v2/calls", "calls", direction="INBOUND")
    [call] = [one for one in calls if one["providerCallId"] == CALL_ID]
    texts = [await told.stack.api.get(f"/v2/calls/{call['id']}{part}") for part in ("/events", "/toolCalls")]

    assert SENTENCE in json.dumps(texts)
    assert set() == leaks(json.dumps([call, *texts]), told.secrets)
