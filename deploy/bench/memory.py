"""How much memory the processes of the stack hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# One of its many processes, most of whose memory is shared: the number would say nothing.
_LEFT_OUT = "postgres"


def resident_megabytes(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory of each process, in MiB. Empty where there is no /proc."""
    if not Path("/proc/self/status").exists():
        return {}
    return {name: _resident(pid) for name, pid in pids.items() if name != _LEFT_OUT}


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return round(kilobytes / 1024, 1)
