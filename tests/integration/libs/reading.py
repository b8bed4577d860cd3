"""A reader of `calls`' log that writes each event into `notify.effects`; also a program, for killing it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf import any_pb2

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs import outbox, pg
from libs.rpc import Peer, PrincipalSigner, serving

SIGNER = PrincipalSigner("s" * 32)
ORG = UUID("018f2b6e-7c31-7a58-9c1e-3f1d2a4b5c6d")
CONSUMER = "notify.calls"

EFFECTS = """
CREATE TABLE notify.effects (
    position bigint NOT NULL GENERATED ALWAYS AS IDENTITY, event_id uuid NOT NULL,
    subject text NOT NULL, name text NOT NULL
);
GRANT SELECT, INSERT ON notify.effects TO notify_worker;
"""


def event(name: str, *, subject: str = "call-1", type: str = "callplane.call.ended.v1") -> outbox.NewEvent:  # noqa: A002
    data = any_pb2.Any()
    data.Pack(events_pb2.CallEnded(call=events_pb2.CallSnapshot(id=subject, summary=name)))
    return outbox.NewEvent(type=type, subject=subject, org_id=ORG, data=data.SerializeToString())


def name_of(message: events_pb2.Event) -> str:
    ended = events_pb2.CallEnded()
    message.data.Unpack(ended)
    return ended.call.summary


async def write_effect(conn: pg.Connection, message: events_pb2.Event) -> None:
    await conn.execute(
        "INSERT INTO notify.effects (event_id, subject, name) VALUES ($1, $2, $3)",
        UUID(message.id),
        message.subject,
        name_of(message),
    )


async def append(pool: pg.Pool, events: Sequence[outbox.NewEvent]) -> None:
    async with pg.transaction(pool) as conn:
        await outbox.append(conn, "calls", events)


@asynccontextmanager
async def source(pool: pg.Pool) -> AsyncIterator[int]:
    """The port where `calls` serves its log."""
    servicer = outbox.EventServicer(pool, schema="calls")

    def register(server: grpc.aio.Server) -> None:
        events_pb2_grpc.add_EventServiceServicer_to_server(servicer, server)

    listening = asyncio.create_task(servicer.run())
    try:
        async with serving(
            listen="127.0.0.1:0", service="calls", register=register, signer=SIGNER, reflection=False
        ) as server:
            yield server.port
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def peer(port: int) -> AsyncIterator[Peer]:
    opened = Peer(f"127.0.0.1:{port}", signer=SIGNER, service="notify")
    try:
        yield opened
    finally:
        await opened.close()


def consumer(peer: Peer, pool: pg.Pool, **options: Any) -> outbox.Consumer:
    settings: dict[str, Any] = {"handle": write_effect, "lease_seconds": 0.5, **options}
    return outbox.Consumer(name=CONSUMER, source="calls", peer=peer, pool=pool, schema="notify", **settings)


@asynccontextmanager
async def running(reader: outbox.Consumer) -> AsyncIterator[outbox.Consumer]:
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _main(dsn: str, port: int) -> None:
    pool = await pg.open_pool(dsn, service="notify", size_max=3)
    async with peer(port) as calls:
        await consumer(calls, pool).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
