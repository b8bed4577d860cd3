"""A program that does a little of everything telemetry sees, with personal data in it."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

import asyncpg
import grpc.aio
import httpx

from callplane.events.v1 import events_pb2_grpc
from libs import outbox, pg, telemetry
from libs.rpc import Peer, PrincipalSigner, serving
from libs.telemetry.providers import setup

PHONE = "+14155551234"


async def _query(dsn: str) -> None:
    pool = await pg.open_pool(dsn, service="calls", size_max=2)
    async with pg.transaction(pool) as conn:
        await conn.fetchval("SELECT 'a query of nobody'")
    with telemetry.span("work", kind=telemetry.SpanKind.SERVER, attributes={"callplane.count": 1}):
        with suppress(asyncpg.PostgresError):
            async with pg.transaction(pool) as conn:
                await conn.execute("SELECT $1::text::int", PHONE)
        await _call(pool)
        await _fetch()
    await pool.close()


async def _call(pool: pg.Pool) -> None:
    signer = PrincipalSigner("s" * 32)
    servicer = outbox.DeadEventServicer(pool, schema="calls", consumers=[])

    def register(server: grpc.aio.Server) -> None:
        events_pb2_grpc.add_DeadEventServiceServicer_to_server(servicer, server)

    async with serving(
        listen="127.0.0.1:0", service="calls", register=register, signer=signer, reflection=False
    ) as server:
        peer = Peer(f"127.0.0.1:{server.port}", signer=signer, service="calls")
        method: Any = peer.channel.unary_unary("/callplane.events.v1.DeadEventService/ListDeadEvents")
        await method(b"", metadata=peer.metadata())
        await peer.close()


async def _fetch() -> None:
    async with httpx.AsyncClient() as client:
        with suppress(httpx.HTTPError):
            await client.get(f"http://127.0.0.1:1/hooks/secret-token?To={PHONE}")


def main() -> None:
    told = setup("calls", os.environ)
    asyncio.run(_query(sys.argv[1]))
    metrics = ""
    if told.metrics_port:
        metrics = httpx.get(f"http://127.0.0.1:{told.metrics_port}/metrics").text
    told.shutdown()
    sys.stdout.write("\n" + json.dumps({"metrics": metrics}))


if __name__ == "__main__":
    main()
