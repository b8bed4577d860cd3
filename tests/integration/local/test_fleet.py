"""The children of the local stack: started, restarted, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.child import StackError
from deploy.local.fleet import Fleet
from deploy.local.processes import Program
from deploy.local.settings import ROOT
from tests.support.waiting import eventually

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def program(name: str, code: str = "import time; time.sleep(60)") -> Program:
    return Program(name=name, command=[sys.executable, "-c", code], environ={"PATH": os.defpath}, healthy=yes)


def is_alive(pid: int) -> bool:
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


class Told(list[str]):
    """What the user saw."""


@pytest.fixture
async def told() -> Told:
    return Told()


@pytest.fixture
async def fleet(tmp_path: Path, told: Told) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path, restart=True, tell=told.append, pid_changed=lambda: None, first_to_stop=())
    yield fleet
    await fleet.stop()


async def test_a_dead_child_is_back_within_2_seconds(fleet: Fleet, told: Told) -> None:
    await fleet.start(program("calls"))
    before = fleet.pids["calls"]
    killed_at = time.monotonic()

    os.kill(before, signal.SIGKILL)

    async def is_back() -> bool:
        return fleet.pids["calls"] != before and is_alive(fleet.pids["calls"])

    await eventually(is_back, within_seconds=5)
    assert time.monotonic() - killed_at < 2
    assert "calls was killed by SIGKILL; restarting" in told


async def test_stopping_leaves_no_process_and_asks_politely_first(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    code = textwrap.dedent(
        f"""
        import pathlib, signal, sys, time
        def bye(*_):
            pathlib.Path({str(proof)!r}).write_text("bye")
            sys.exit(0)
        signal.signal(signal.SIGTERM, bye)
        pathlib.Path({str(proof)!r}).write_text("up")
        time.sleep(60)
        """
    )
    await fleet.start(program("calls", code), program("notify"))

    async def is_up() -> bool:
        return proof.exists() and proof.read_text() == "up"

    await eventually(is_up)
    pids = list(fleet.pids.values())

    await fleet.stop()

    assert "bye" == proof.read_text()
    assert [False, False] == [is_alive(pid) for pid in pids]


async def test_a_child_that_dies_at_start_is_an_error_with_the_end_of_its_log(fleet: Fleet) -> None:
    broken = Program(
        name="calls",
        command=[sys.executable, "-c", "import sys; sys.exit('CALLS_LISTEN is missing')"],
        environ={"PATH": os.defpath},
        healthy=no,
    )

    with pytest.raises(StackError, match=r"calls did not start .*\n.*CALLS_LISTEN is missing"):
        await fleet.start(broken)


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """Not even a child that ignores signals."""
    script = textwrap.dedent(
        f"""
        import asyncio, os, signal, sys
        from pathlib import Path
        from tests.integration.local.test_fleet import STUBBORN, Fleet, program

        async def main():
            logs = Path({str(tmp_path)!r})
            fleet = Fleet(logs, restart=True, tell=print, pid_changed=lambda: None, first_to_stop=())
            await fleet.start(program("calls", STUBBORN), program("notify"))
            print(*fleet.pids.values(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
        """
    )

    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )

    assert -signal.SIGKILL == ended.returncode, ended.stderr
    pids = [int(pid) for pid in ended.stdout.split()[-2:]]
    deadline = time.monotonic() + 5
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [False, False] == [is_alive(pid) for pid in pids]
