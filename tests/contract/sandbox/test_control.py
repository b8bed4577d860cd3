"""The rest of the control API, and what survives a restart."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.sandbox.config import Config
from tests.contract.sandbox.driver import KEY, Door, Product, opened


async def test_settings_are_checked_and_hide_secrets(sandbox: Door) -> None:
    refused: list[Any] = [
        {"speed": 0},
        {"callSeconds": [2, 1]},
        {"outcomes": {}},
        {"signature": "NONE"},
        {"nope": 1},
        [],
    ]
    for wrong in refused:
        assert 400 == (await sandbox.http.post("/sandbox/settings", json=wrong)).status_code
    changed = await sandbox.post("settings", {"webhookSecret": "other"})

    assert ("***", 200.0) == (changed["webhookSecret"], changed["speed"])
    assert "other" not in str(changed)


async def test_a_receiver_keeps_what_customers_get(sandbox: Door) -> None:
    await sandbox.post("settings", {"receiverStatus": {"broken": 503}})
    ok = await sandbox.http.post(
        "/sandbox/receivers/shop", json={"type": "call.ended"}, headers={"webhook-id": "1"}
    )
    broken = await sandbox.http.post("/sandbox/receivers/broken", content=b"not json")

    assert (200, 503) == (ok.status_code, broken.status_code)
    [got] = (await sandbox.get("receivers/shop"))["requests"]
    assert ("1", '{"type":"call.ended"}', {"type": "call.ended"}) == (
        got["headers"]["webhook-id"],
        got["body"],
        got["body_json"],
    )
    assert [None] == [r["body_json"] for r in (await sandbox.get("receivers/broken"))["requests"]]


async def test_unknown_scripts_numbers_and_paths_are_refused(sandbox: Door) -> None:
    for wrong in (
        {"script": "none"},
        {"script": "no_answer", "customer": "514"},
        {},
        {"script": "busy", "x": 1},
    ):
        assert 400 == (await sandbox.http.post("/sandbox/inboundCalls", json=wrong)).status_code
    assert 404 == (await sandbox.vapi("GET", "/nothing")).status_code
    names = {script["name"] for script in (await sandbox.get("scripts"))["scripts"]}
    assert {"p1_flood_fr", "quote_tool", "never_ended", "refused_service"} <= names


async def test_a_reset_forgets_what_happened_but_not_the_settings(sandbox: Door) -> None:
    await sandbox.played("no_answer")
    await sandbox.text(To="+15142885071", From="+15148447210", Body="x")

    await sandbox.post("reset", {})

    seen = await sandbox.get("calls")
    assert ([], 0, 0) == (seen["calls"], seen["maxActive"], seen["active"])
    assert [] == (await sandbox.get("messages"))["messages"] == (await sandbox.get("requests"))["requests"]
    assert 200.0 == (await sandbox.get("settings"))["speed"]


async def test_a_restart_remembers_and_ends_what_was_under_way(config: Config, product: Product) -> None:
    async with opened(config) as first:
        await first.post("settings", {"callSeconds": [30, 30]})
        done = await first.played("no_answer")
        made = (await first.vapi("POST", "/call", first.dial())).json()
        peak = (await first.get("calls"))["maxActive"]
    product.received.clear()

    async with opened(config) as second:
        cut = await second.reported(made["id"])

        assert ("ended", "worker-shutdown") == (cut["status"], cut["endedReason"])
        assert [("status-update"), ("end-of-call-report")] == [m["type"] for m in product.of(made["id"])]
        assert done == await second.call(done["id"])
        assert peak == (await second.get("calls"))["maxActive"]
        assert [30, 30] == (await second.get("settings"))["callSeconds"]
        assert 1 == len((await second.get("requests"))["requests"])


async def test_the_process_says_where_it_listens_and_stops_on_a_signal(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "SANDBOX_LISTEN": "127.0.0.1:0", "SANDBOX_DATA_DIR": str(tmp_path)}
    async with process(environ) as (started, url):
        async with httpx.AsyncClient(trust_env=False) as http:
            health = (await http.get(f"{url}/sandbox/health")).json()
        started.send_signal(signal.SIGTERM)

        assert 0 == await asyncio.wait_for(started.wait(), 10)
    assert "ok" == health["status"]


async def test_a_killed_process_forgets_nothing(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "SANDBOX_LISTEN": "127.0.0.1:0",
        "SANDBOX_DATA_DIR": str(tmp_path),
        "SANDBOX_VAPI_API_KEY": KEY,
        "SANDBOX_SPEED": "100",
    }
    async with process(environ) as (first, url):
        door = await door_of(url)
        made = (await door.vapi("POST", "/call", door.dial(name="kept"))).json()
        await door.http.aclose()
        first.kill()
    async with process(environ) as (_, url):
        door = await door_of(url)
        call = await door.reported(made["id"])
        await door.http.aclose()

    assert ("kept", "worker-shutdown") == (call["name"], call["endedReason"])


@asynccontextmanager
async def process(environ: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The sandbox as a process of its own, and its URL."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.sandbox", env=environ, stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    try:
        yield started, (await started.stdout.readline()).decode().split()[-1]
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
        await started.communicate()


async def door_of(url: str) -> Door:
    http = httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)
    settings = (await http.get("/sandbox/settings")).json()
    return Door(url, http, settings["phoneNumberId"], settings["assistantId"])


def test_a_wrong_environment_is_refused_with_every_problem() -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "SANDBOX_LISTEN": "nowhere",
        "SANDBOX_SEED": "x",
        "SANDBOX_SPEED": "fast",
    }

    done = subprocess.run(
        [sys.executable, "-m", "deploy.sandbox"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert 2 == done.returncode
    for name in ("SANDBOX_LISTEN", "SANDBOX_SEED", "SANDBOX_DATA_DIR", "speed"):
        assert name in done.stderr
