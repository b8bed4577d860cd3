"""The plain handler as a process, beside the stack and on the same database server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from deploy.bench.database import SCRATCH, Database, Ledger, connected
from deploy.local.child import StackError, tethered
from deploy.local.health import until
from deploy.local.ports import free_port
from deploy.local.settings import ROOT

_START_SECONDS_MAX = 20.0
_TABLE = "public.webhooks"


@dataclass(frozen=True, slots=True)
class PlainServer:
    url: str
    ledger: Ledger


@asynccontextmanager
async def plain_server(database: Database, *, secret: str, name: str = SCRATCH) -> AsyncIterator[PlainServer]:
    """The database `name` has to be there, with the handler's table."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-m", "deploy.bench.plain"]),
        stdin=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "PLAIN_DSN": database.dsn(name),
            "PLAIN_SECRET": secret,
            "PLAIN_PORT": str(port),
        },
    )
    try:
        if not await until(lambda: _accepts(port), within_seconds=_START_SECONDS_MAX):
            raise StackError("the plain handler did not start")
        async with connected(database, name) as conn:
            yield PlainServer(f"http://127.0.0.1:{port}", Ledger(conn, _TABLE))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
