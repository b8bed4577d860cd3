"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import asyncpg

# Durability and memory of the server; all at their defaults in the local stack.
_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size")


async def facts(conn: asyncpg.Connection) -> dict[str, object]:
    rows = await conn.fetch(
        "SELECT name, current_setting(name) AS setting FROM unnest($1::text[]) AS name", list(_SETTINGS)
    )
    return {
        "processors": os.cpu_count(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": await conn.fetchval("SHOW server_version"),
        "postgres_settings": {row["name"]: row["setting"] for row in rows},
    }


def sentence(machine: Mapping[str, object]) -> str:
    return (
        f"{machine['processors']} x {machine['processor']}, {machine['memory']}, {machine['system']}, "
        f"Python {machine['python']}, PostgreSQL {machine['postgres']}"
    )


def _field(path: str, name: str) -> str:
    """Empty where the system has no such file."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
