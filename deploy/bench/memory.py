"""How much memory the processes of the stack hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.bench.figures import slope

SAMPLE_SECONDS = 5.0
# One of its many processes, most of whose memory is shared: the number would say nothing.
_LEFT_OUT = "postgres"


def resident_megabytes(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of each process and those it started, in MiB; what they share counts for each. Empty
    where there is no /proc."""
    if not Path("/proc/self/status").exists():
        return {}
    return {name: _resident(pid) for name, pid in pids.items() if name != _LEFT_OUT}


@dataclass(slots=True)
class Resident:
    """Samples over time: (Unix seconds, MiB) by process."""

    pids: Mapping[str, int]
    samples: list[tuple[float, dict[str, float]]] = field(default_factory=list)

    async def sample(self) -> None:
        """Until cancelled."""
        while True:
            self.samples.append((time.time(), resident_megabytes(self.pids)))
            await asyncio.sleep(SAMPLE_SECONDS)

    def growth(self, *, since: float, until: float) -> dict[str, dict[str, float | None]]:
        """Per process between two times: first and last MiB, and MiB per minute by least squares."""
        within = [(at, sizes) for at, sizes in self.samples if since <= at <= until]
        names = within[0][1] if within else {}
        return {
            name: {
                "first_mib": within[0][1][name],
                "last_mib": within[-1][1][name],
                "mib_per_minute": slope([(at / 60, sizes[name]) for at, sizes in within]),
            }
            for name in names
        }


def _resident(pid: int) -> float:
    kilobytes = sum(_resident_kilobytes(one) for one in (pid, *_children(pid)))
    return round(kilobytes / 1024, 1)


def _resident_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
