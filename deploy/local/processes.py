"""Keeps the processes of the local stack alive: starts them, again when they die, and ends them all."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local.child import StackError, tethered
from deploy.local.health import Probe, until
from deploy.local.settings import ROOT

START_SECONDS_MAX = 40.0
STOP_SECONDS_MAX = 11.0
RESTART_DELAYS = (0.05, 0.2, 0.5, 1.0, 1.5)
# A process that lived this long starts over with the shortest delay.
STEADY_SECONDS = 10.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    healthy: Probe


class Child:
    """One program and the process that runs it now. Start it on the main thread only (see `tethered`)."""

    def __init__(self, program: Program, *, log_path: Path, restart: bool, tell: Tell) -> None:
        self.program = program
        self.log_path = log_path
        self.pid = 0
        self._process: asyncio.subprocess.Process | None = None
        self._restart = restart
        self._tell = tell
        self._stopping = asyncio.Event()

    async def start(self, *, pid_changed: Callable[[], None]) -> None:
        """Spawns it; `watch` keeps it from then on."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *tethered(list(self.program.command)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=dict(self.program.environ),
                process_group=0,
            )
        self.pid = self._process.pid
        pid_changed()

    async def healthy(self) -> None:
        """Returns when it is ready; StackError, with the end of its log, if it dies or takes too long."""
        process = self._current()
        died = asyncio.ensure_future(process.wait())
        ready = asyncio.ensure_future(until(self.program.healthy, within_seconds=START_SECONDS_MAX))
        try:
            await asyncio.wait({died, ready}, return_when=asyncio.FIRST_COMPLETED)
            if ready.done() and ready.result() and not died.done():
                return
        finally:
            died.cancel()
            ready.cancel()
        how = described(process.returncode) if process.returncode is not None else "is not healthy"
        raise StackError(f"{self.program.name} did not start ({how}); see {self.log_path}\n{self._log_end()}")

    async def watch(self, *, pid_changed: Callable[[], None]) -> None:
        """Until it is stopped, or for good if it may not be restarted."""
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._current().wait()
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures
            self._tell(f"{self.program.name} {described(code)}" + ("; restarting" if self._restart else ""))
            if not self._restart:
                return
            await asyncio.sleep(RESTART_DELAYS[min(failures, len(RESTART_DELAYS) - 1)])
            failures += 1
            if not self._stopping.is_set():
                await self.start(pid_changed=pid_changed)

    async def stop(self) -> None:
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS_MAX), (signal.SIGKILL, 5.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), seconds)
                return
            self._tell(f"{self.program.name} did not stop within {seconds:.0f} s")

    def _current(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise StackError(f"{self.program.name} was not started")
        return self._process

    def _log_end(self, lines: int = 15) -> str:
        with suppress(OSError):
            return "\n".join(
                self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            )
        return ""


async def run_once(command: Sequence[str], *, environ: Mapping[str, str], log_path: Path) -> None:
    """Runs a command to its end; raises StackError with its output if it fails."""
    process = await asyncio.create_subprocess_exec(
        *tethered(list(command)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=dict(environ),
        process_group=0,
    )
    output, _ = await process.communicate()
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        log.write(output)
    if process.returncode != 0:
        text = "\n".join(output.decode(errors="replace").splitlines()[-15:])
        raise StackError(f"`{' '.join(command[1:])}` failed\n{text}")


def described(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"
