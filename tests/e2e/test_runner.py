"""`make up` as an operator meets it: ready, Ctrl-C, nothing left, and again on the same data."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 25.0


@asynccontextmanager
async def up(data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {
        **os.environ,
        "CALLPLANE_DATA_DIR": str(data_dir),
        "CALLPLANE_PORT": "0",
        "CALLPLANE_SANDBOX_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "deploy.local", "up"),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ready(data_dir: Path, process: asyncio.subprocess.Process) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        assert process.returncode is None, (await process.communicate())[0].decode()[-2000:]
        path = data_dir / "ready.json"
        return json.loads(path.read_text()) if path.exists() else None

    return await eventually(look, within_seconds=START_SECONDS_MAX)


def alive(pids: dict[str, int]) -> list[str]:
    """Names of the processes that still run; zombies do not count."""
    running = []
    for name, pid in pids.items():
        stat = Path(f"/proc/{pid}/stat")
        if stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
            running.append(name)
    return running


async def test_ctrl_c_leaves_nothing_and_a_second_start_finds_the_data(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    async with up(data_dir) as process:
        first = await ready(data_dir, process)
        async with httpx.AsyncClient(
            base_url=first["public_url"], headers={"x-api-key": first["api_key"]}
        ) as client:
            key = (await client.post("/v2/apiKeys", json={"name": "kept", "scopes": ["calls:read"]})).json()
        process.send_signal(signal.SIGINT)
        output, _ = await asyncio.wait_for(process.communicate(), STOP_SECONDS_MAX)
        assert 0 == process.returncode, output.decode()[-2000:]
    assert f"ready {first['public_url']}" in output.decode()
    assert "Traceback" not in output.decode()
    assert [] == alive(first["pids"])
    assert not (data_dir / "ready.json").exists()

    async with up(data_dir) as process:
        second = await ready(data_dir, process)
        assert first["api_key"] == second["api_key"]
        async with httpx.AsyncClient(
            base_url=second["public_url"], headers={"x-api-key": key["key"]}
        ) as client:
            assert 200 == (await client.get("/v2/calls")).status_code
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), STOP_SECONDS_MAX)
    assert [] == alive(second["pids"])


async def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    async with up(tmp_path / "var") as process:
        pids = (await ready(tmp_path / "var", process))["pids"]
        process.kill()
        await process.wait()

    async def gone() -> bool:
        return not alive(pids)

    await eventually(gone, within_seconds=15)


async def test_a_second_stack_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with up(tmp_path / "var") as process:
        await ready(tmp_path / "var", process)
        async with up(tmp_path / "var") as second:
            output, _ = await asyncio.wait_for(second.communicate(), START_SECONDS_MAX)
        assert 0 != second.returncode
        assert "Traceback" not in output.decode()
        assert str(tmp_path / "var") in output.decode()


@pytest.mark.parametrize("variable", ["CALLPLANE_PORT", "CALLPLANE_SANDBOX_PORT"])
async def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path, variable: str) -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = str(taken.sockets[0].getsockname()[1])
    async with taken:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "deploy.local", "up"),
            cwd=ROOT,
            env={
                **os.environ,
                "CALLPLANE_DATA_DIR": str(tmp_path / "var"),
                "CALLPLANE_PORT": "0",
                variable: port,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)

    assert 0 != process.returncode
    assert port in output.decode()
    assert "Traceback" not in output.decode()
