"""The child processes of the local stack, all together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy.local.processes import Child, Program, Tell


class Fleet:
    """Starts children, keeps each one running, and ends them: `first_to_stop` before all others."""

    def __init__(
        self,
        logs: Path,
        *,
        restart: bool,
        tell: Tell,
        pid_changed: Callable[[], None],
        first_to_stop: Sequence[str],
    ) -> None:
        self._logs = logs
        self._restart = restart
        self._tell = tell
        self._pid_changed = pid_changed
        self._first_to_stop = first_to_stop
        self._children: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> Mapping[str, int]:
        return {name: child.pid for name, child in self._children.items()}

    def log_path(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def start(self, *programs: Program) -> None:
        """Returns when all of them are healthy; from then on they are restarted when they die."""
        begun = time.monotonic()
        children = []
        for program in programs:
            child = Child(
                program, log_path=self.log_path(program.name), restart=self._restart, tell=self._tell
            )
            self._children[program.name] = child
            await child.start(pid_changed=self._pid_changed)
            children.append(child)
        try:
            async with asyncio.TaskGroup() as tasks:
                for child in children:
                    tasks.create_task(self._became_healthy(child, begun=begun))
        except ExceptionGroup as failures:
            # The first one is the story; the others were cancelled because of it.
            raise failures.exceptions[0] from None

    async def _became_healthy(self, child: Child, *, begun: float) -> None:
        await child.healthy()
        self._tell(f"  {child.program.name:<12} ready after {time.monotonic() - begun:.1f} s")
        watching = asyncio.create_task(
            child.watch(pid_changed=self._pid_changed), name=f"watch {child.program.name}"
        )
        self._watchers.append(watching)

    async def stop(self) -> None:
        first = [child for name, child in self._children.items() if name in self._first_to_stop]
        others = [child for name, child in self._children.items() if name not in self._first_to_stop]
        for group in (first, others):
            await asyncio.gather(*(child.stop() for child in group))
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
