"""`make up` where it cannot start: said in a sentence, and nothing is broken."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 60.0


async def refused(data_dir: Path, **environ: str) -> str:
    """What `make up` says when it does not start."""
    ports = {"CALLPLANE_PORT": "0", "CALLPLANE_SANDBOX_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "deploy.local", "up"),
        cwd=ROOT,
        env={**os.environ, "CALLPLANE_DATA_DIR": str(data_dir), **ports, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), START_SECONDS_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert 0 != process.returncode
    return output.decode()


async def test_a_second_stack_on_the_same_data_is_refused(stack: Stack) -> None:
    output = await refused(stack.data_dir)

    assert "Traceback" not in output
    assert str(stack.data_dir) in output
    assert 200 == (await stack.http.get("/v2/calls")).status_code


@pytest.mark.parametrize("variable", ["CALLPLANE_PORT", "CALLPLANE_SANDBOX_PORT"])
async def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path, variable: str) -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = str(taken.sockets[0].getsockname()[1])
    async with taken:
        output = await refused(tmp_path / "var", **{variable: port})

    assert port in output
    assert "Traceback" not in output
