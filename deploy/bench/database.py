"""What the database says: `pgbench` on the same server, what is stored, and how far the fold is behind."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg

from deploy.bench import plain
from deploy.local.child import StackError, tethered
from deploy.local.postgres import SUPERUSER, binaries
from deploy.local.secret_store import database_password
from deploy.local.stack import RunningStack

SAMPLE_SECONDS = 0.05
PGBENCH_CLIENTS = 32
SCRATCH = "bench"
# `pgbench -c 32` and nothing else, and the way of asking that costs the server least.
PGBENCH_WAYS = {"pgbench_tps": [], "pgbench_prepared_tps": ["-M", "prepared", "-j", "2"]}
_TABLE = """
CREATE TABLE public.inserts (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body        text        NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
)
"""
_INSERT = "INSERT INTO public.inserts (body) VALUES (repeat('x', 200));\n"


@dataclass(frozen=True, slots=True)
class Database:
    """The stack's server, seen as superuser: row level security does not hide the ledger from it."""

    host: str
    port: int
    name: str
    password: str = field(repr=False)

    @classmethod
    def of(cls, running: RunningStack) -> Database:
        parts = urlsplit(running["databases"]["calls"])
        password = running.secrets[database_password(SUPERUSER)]
        return cls(parts.hostname or "", parts.port or 0, parts.path.lstrip("/"), password)

    def dsn(self, name: str | None = None) -> str:
        secret = quote(self.password, safe="")
        return f"postgresql://{SUPERUSER}:{secret}@{self.host}:{self.port}/{name or self.name}"


@asynccontextmanager
async def connected(database: Database, name: str | None = None) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database.dsn(name))
    try:
        yield conn
    finally:
        await conn.close()


async def prepare_pgbench(database: Database, *, folder: Path) -> Path:
    """A database of its own beside the stack's, also for the plain handler; answers the script of one
    insert."""
    async with connected(database) as conn:
        await conn.execute(f"CREATE DATABASE {SCRATCH}")
    async with connected(database, SCRATCH) as conn:
        await conn.execute(_TABLE)
        await conn.execute(plain.TABLE)
    script = folder / "insert.sql"
    script.write_text(_INSERT, encoding="utf-8")
    return script


async def pgbench_tps(database: Database, *, way: str, script: Path, seconds: int) -> float:
    """Committed single-row inserts per second, in one of PGBENCH_WAYS."""
    command = [str(binaries() / "pgbench"), "-n", "-c", str(PGBENCH_CLIENTS), *PGBENCH_WAYS[way]]
    where = ["-h", database.host, "-p", str(database.port), "-U", SUPERUSER]
    process = await asyncio.create_subprocess_exec(
        *tethered([*command, "-T", str(seconds), "-f", str(script), *where, SCRATCH]),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "PGPASSWORD": database.password},
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise StackError(f"pgbench: {errors.decode(errors='replace').strip()}")
    return tps_in(output.decode())


def tps_in(output: str) -> float:
    found = re.search(r"^tps = ([0-9.]+)", output, re.MULTILINE)
    if found is None:
        raise StackError("pgbench printed no tps")
    return float(found[1])


@dataclass(slots=True)
class FoldLag:
    """Samples how old the oldest webhook is that is stored but not yet in the record; 0 if there is none."""

    conn: asyncpg.Connection
    samples: list[tuple[float, float]] = field(default_factory=list)

    async def sample(self) -> None:
        """Until cancelled."""
        while True:
            taken_at = time.time()
            self.samples.append((taken_at, await self._behind_seconds()))
            await asyncio.sleep(max(0.0, taken_at + SAMPLE_SECONDS - time.time()))

    def between(self, began_at: float, ended_at: float) -> list[float]:
        return [lag for taken_at, lag in self.samples if began_at <= taken_at <= ended_at]

    async def _behind_seconds(self) -> float:
        behind = await self.conn.fetchval(
            """
            SELECT extract(epoch FROM clock_timestamp() - (
                       SELECT entry.stored_at FROM calls.provider_events AS entry
                        WHERE (entry.xid, entry.position) > (folding.xid, folding.position)
                        ORDER BY entry.xid, entry.position
                        LIMIT 1))::float8
              FROM calls.foldings AS folding WHERE folding.name = 'ledger'
            """
        )
        return float(behind or 0.0)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A table of webhooks: the product's, or the plain handler's."""

    conn: asyncpg.Connection
    table: str = "calls.provider_events"

    async def place(self) -> str:
        """Everything that is stored from now on comes at or after it."""
        return str(await self.conn.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"))

    async def marks_since(self, place: str) -> list[bytes]:
        """What the webhooks stored since then are recognized by."""
        rows = await self.conn.fetch(
            # The table is one of two names above.
            f"SELECT md5(body) AS mark FROM {self.table} WHERE xid >= $1::text::xid8",  # noqa: S608
            place,
        )
        return [bytes.fromhex(row["mark"]) for row in rows]


async def unfolded(conn: asyncpg.Connection) -> int:
    """Webhooks that went through the folder without becoming part of a call."""
    return int(await conn.fetchval("SELECT count(*) FROM calls.unparsed_events"))


async def all_folded(conn: asyncpg.Connection, *, within_seconds: float) -> bool:
    """Whether the record has caught up with all that is in the ledger by now."""
    last = await conn.fetchrow(
        """
        SELECT entry.xid::text AS last_xid, entry.position
          FROM calls.provider_events AS entry ORDER BY entry.xid DESC, entry.position DESC LIMIT 1
        """
    )
    xid, position = last or ("0", 0)
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if await conn.fetchval(
            """
            SELECT (xid, position) >= ($1::text::xid8, $2::bigint)
              FROM calls.foldings WHERE name = 'ledger'
            """,
            xid,
            position,
        ):
            return True
        await asyncio.sleep(0.02)
    return False
