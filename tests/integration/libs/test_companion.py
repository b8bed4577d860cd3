"""A service of two processes from the outside: neither outlives the other, whatever ends it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.postgres import REPOSITORY
from tests.support.waiting import eventually


@dataclass
class Pair:
    process: asyncio.subprocess.Process
    folder: Path

    @property
    def first(self) -> int:
        return self.process.pid

    @property
    def second(self) -> int:
        return int((self.folder / "second").read_text())

    async def runs(self) -> bool:
        return {"first", "second"} <= {path.name for path in self.folder.iterdir()}

    async def status(self) -> int:
        return await asyncio.wait_for(self.process.wait(), timeout=10)

    def stopped(self) -> set[str]:
        """Which of the two were told to stop, and did."""
        return {path.stem for path in self.folder.glob("*.stopped")}


@asynccontextmanager
async def pair(folder: Path, **more: str) -> AsyncIterator[Pair]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.libs.tied"),
        cwd=REPOSITORY,
        env={"PYTHONPATH": ".:protos/gen", "FOLDER": str(folder), **more},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Pair(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Pair]:
    async with pair(tmp_path) as both:
        await eventually(both.runs)
        yield both


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def test_stopped_by_a_signal_to_the_first_both_leave_in_order(running: Pair) -> None:
    second = running.second
    os.kill(running.first, signal.SIGTERM)

    assert 0 == await running.status()
    assert {"first", "second"} == running.stopped()
    assert not is_alive(second)


async def test_control_c_reaches_both_and_is_one_stop(running: Pair) -> None:
    os.killpg(running.first, signal.SIGINT)

    assert 0 == await running.status()
    assert {"first", "second"} == running.stopped()


async def test_the_second_does_not_outlive_the_first(running: Pair) -> None:
    second = running.second
    os.kill(running.first, signal.SIGKILL)

    async def gone() -> bool:
        return not is_alive(second)

    await eventually(gone)
    assert set() == running.stopped()


async def test_the_first_ends_as_the_second_was_ended(running: Pair) -> None:
    os.kill(running.second, signal.SIGKILL)

    assert -signal.SIGKILL == await running.status()
    assert set() == running.stopped()


async def test_a_second_that_leaves_takes_the_first_along(running: Pair) -> None:
    os.kill(running.second, signal.SIGTERM)

    assert 0 == await running.status()
    assert {"first", "second"} == running.stopped()


async def test_a_second_that_hangs_is_ended(running: Pair) -> None:
    os.kill(running.second, signal.SIGSTOP)

    assert -signal.SIGKILL == await running.status()


async def test_a_first_that_stood_still_does_not_take_the_second_for_hanging(running: Pair) -> None:
    second = running.second
    os.kill(running.first, signal.SIGSTOP)
    await asyncio.sleep(3)
    os.kill(running.first, signal.SIGCONT)
    await asyncio.sleep(0.5)

    assert is_alive(second)
    assert running.process.returncode is None


async def test_only_the_second_steps_back(running: Pair) -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    assert ours == os.getpriority(os.PRIO_PROCESS, running.first)
    assert min(19, ours + 5) == os.getpriority(os.PRIO_PROCESS, running.second)


async def test_a_second_that_does_not_start_is_a_failed_start(tmp_path: Path) -> None:
    async with pair(tmp_path, SECOND_FAILS="yes") as both:
        assert 1 == await both.status()
