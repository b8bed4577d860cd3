"""A second process of a service: forked from the first one, and alive as long as that one and no longer.

Work that takes much of a processor and that nobody waits for belongs there: the first process answers
requests, and which of the two may use the processor is the operating system's business.

    first process    --- a socket each end of which closes with its process --->    companion
"""

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, Never, TypeVar

from libs import telemetry

_log = telemetry.logger(__name__)

Config = TypeVar("Config")

_BEAT_SECONDS: Final = 1.0
_STOP_SECONDS_MAX: Final = 10.0
_READ_BYTES: Final = 256
_EXIT_ORPHANED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion(Generic[Config]):
    """`name` is that of its telemetry; `niceness` how far it steps back where processors are scarce, 0 to 19.
    Silent for `silence_seconds_max`, it hangs and is ended: what it holds is not given back otherwise."""

    name: str
    running: Callable[[Config], AbstractAsyncContextManager[object]]
    niceness: int = 0
    silence_seconds_max: float = 60.0


class Tie:
    """One end of what holds the two processes together. `fork` it while there is one thread and no event
    loop."""

    def __init__(self, end: socket.socket, *, companion_pid: int, silence_seconds_max: float) -> None:
        end.setblocking(False)
        self._silence_seconds_max = silence_seconds_max
        self.is_companion = companion_pid == 0
        self._end = end
        self._companion_pid = companion_pid

    @classmethod
    def fork(cls, companion: Companion[Any]) -> "Tie":
        """Returns twice: here, and in the companion."""
        first, second = socket.socketpair()
        pid = os.fork()
        ours, others = (first, second) if pid else (second, first)
        others.close()
        if not pid:
            os.nice(companion.niceness)
        return cls(ours, companion_pid=pid, silence_seconds_max=companion.silence_seconds_max)

    async def hold(self) -> int:
        """Until the other process has ended. In the companion that is its own end, too: it never returns.
        In the first process it answers the exit status of the companion, which is negative if a signal ended
        it."""
        return await (self._follow() if self.is_companion else self._watch())

    async def release(self) -> None:
        """Stops the companion, which may take _STOP_SECONDS_MAX."""
        if self.is_companion:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS_MAX):
                await self._watch()
        except TimeoutError:
            _log.warning("companion did not stop in time")
            self._signal(signal.SIGKILL)

    async def _follow(self) -> Never:
        event_loop = asyncio.get_running_loop()
        while True:
            try:
                await event_loop.sock_sendall(self._end, b".")
                async with asyncio.timeout(_BEAT_SECONDS):
                    await event_loop.sock_recv(self._end, _READ_BYTES)
            except TimeoutError:
                continue
            except OSError:
                pass
            # Nothing is tidied up, as what ended the first process may have tidied up nothing.
            os._exit(_EXIT_ORPHANED)

    async def _watch(self) -> int:
        event_loop = asyncio.get_running_loop()
        told = b"."
        while told:
            try:
                async with asyncio.timeout(self._silence_seconds_max):
                    told = await event_loop.sock_recv(self._end, _READ_BYTES)
            except TimeoutError:
                if not self._has_told():
                    _log.error("companion hangs")
                    self._signal(signal.SIGKILL)
        return await asyncio.to_thread(self._exit_status)

    def _exit_status(self) -> int:
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self._companion_pid, 0)[1])
        except ChildProcessError:
            # Asked before.
            return 0

    def _has_told(self) -> bool:
        """If it was us who stood still, there is something to read."""
        try:
            return bool(self._end.recv(_READ_BYTES, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._companion_pid, number)
