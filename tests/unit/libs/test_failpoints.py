"""The grammar of FAILPOINTS and what each action does."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs import failpoints


@pytest.fixture(autouse=True)
def _switched_off_afterwards() -> Iterator[None]:
    yield
    failpoints.configure("")


async def test_a_failpoint_that_is_off_does_nothing() -> None:
    await failpoints.hit("test.somewhere")

    assert failpoints.hits("test.somewhere") == 0


async def test_error_raises() -> None:
    failpoints.configure("test.a=error; test.b=error@0;")

    with pytest.raises(failpoints.FailpointError):
        await failpoints.hit("test.a")
    await failpoints.hit("test.b")


async def test_only_the_nth_hit_strikes() -> None:
    failpoints.configure("test.a=error#2")

    await failpoints.hit("test.a")
    with pytest.raises(failpoints.FailpointError):
        await failpoints.hit("test.a")
    await failpoints.hit("test.a")

    assert failpoints.hits("test.a") == 3


@pytest.mark.parametrize("action", ["sleep:30", "stop:0.03"])
async def test_waiting_takes_its_time(action: str) -> None:
    failpoints.configure(f"test.a={action}")
    started = time.monotonic()

    await failpoints.hit("test.a")

    assert time.monotonic() - started >= 0.029


@pytest.mark.parametrize(
    "text", ["a", "a=explode", "a=error@2", "a=error#0", "a=sleep", "A=error", "a=error,b=error"]
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FAILPOINTS"):
        failpoints.configure(text)


def test_names_that_nobody_declares_are_found() -> None:
    failpoints.register("test.declared")
    failpoints.configure("test.declared=error;test.misspelt=error")

    assert failpoints.unknown() == {"test.misspelt"}


def test_kill_ends_the_process_at_once() -> None:
    """In another process, which also shows that FAILPOINTS needs no set-up."""
    program = (
        "import asyncio; from libs import failpoints; asyncio.run(failpoints.hit('a.b')); print('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"FAILPOINTS": "a.b=kill"}, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout) == (-9, b"")


def test_a_schedule_has_a_line_for_each_life(tmp_path: Path) -> None:
    """Each process reads on where a kill ended the one before."""
    schedule = tmp_path / "schedule"
    schedule.write_text("a.b=kill\nc.d=error;a.b=kill#2\n")
    hit = "import asyncio; from libs import failpoints; asyncio.run(failpoints.hit('a.b')); "
    lives = [
        subprocess.run(
            [sys.executable, "-c", hit * 2],
            env={"FAILPOINTS": f"@{schedule}"},
            capture_output=True,
            check=False,
        ).returncode
        for _ in range(3)
    ]

    assert [-signal.SIGKILL, -signal.SIGKILL, 0] == lives
    assert "a.b\na.b\n" == failpoints.struck_file(schedule).read_text()
