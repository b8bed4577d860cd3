"""What one would write first: a handler that stores each webhook in a transaction of its own.

It does what the gateway and `calls` do before they acknowledge, in one process: signature over the raw body,
type and call id, the same dedupe key, the raw row in a table of the ledger's shape, commit, 200. Nothing of
the product uses it; it is what the product is measured against. Run as `python -m deploy.bench.plain`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# As many as pgbench has clients.
POOL_SIZE = 32
TABLE = """
CREATE TABLE public.webhooks (
    id               uuid        NOT NULL DEFAULT uuidv7() PRIMARY KEY,
    org_id           uuid        NOT NULL,
    source_id        uuid        NOT NULL,
    provider         text        NOT NULL,
    type             text        NOT NULL,
    provider_call_id text        NOT NULL,
    dedupe_key       bytea       NOT NULL,
    body             bytea       NOT NULL,
    received_at      timestamptz NOT NULL,
    stored_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    traceparent      text        NOT NULL,
    xid              xid8        NOT NULL DEFAULT pg_current_xact_id(),
    position         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    UNIQUE (source_id, dedupe_key)
);
CREATE INDEX webhooks_order ON public.webhooks (xid, position);
CREATE INDEX webhooks_org_received ON public.webhooks (org_id, received_at DESC, id DESC);
CREATE INDEX webhooks_org_call ON public.webhooks (org_id, provider_call_id, received_at)
    WHERE provider_call_id <> '';
"""
# A statement by itself is a transaction, and one round trip.
_INSERT = """
INSERT INTO public.webhooks (
       org_id, source_id, provider, type, provider_call_id, dedupe_key, body, received_at, traceparent)
VALUES ($1, $2, 'vapi', $3, $4, $5, $6, $7, '')
    ON CONFLICT (source_id, dedupe_key) DO NOTHING
"""
_ORGANIZATION = UUID("00000000-0000-7000-8000-000000000001")
_SOURCE = UUID("00000000-0000-7000-8000-000000000002")
_RECEIVED = b'{"received":true}'


class _Call(msgspec.Struct):
    id: str = ""


class _Message(msgspec.Struct, rename="camel"):
    type: str = ""
    timestamp: float | str | None = None
    call: _Call | None = None
    status: str = ""
    ended_reason: str | None = None
    role: str = ""
    turn: float | None = None
    transcript_type: str = ""
    text: str = ""


class _Body(msgspec.Struct):
    message: _Message


_decoder = msgspec.json.Decoder(_Body)


def application(*, dsn: str, secret: bytes) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=POOL_SIZE, max_size=POOL_SIZE) as pool:
            app.state.pool = pool
            yield

    async def receive(request: Request) -> Response:
        body = await request.body()
        expected = hmac.new(secret, body, "sha256").hexdigest()
        if not hmac.compare_digest(request.headers.get("x-vapi-signature", ""), expected):
            return Response(b"{}", status_code=401, media_type="application/json")
        await _store(request.app.state.pool, body)
        return Response(_RECEIVED, media_type="application/json")

    return Starlette(routes=[Route("/hooks/vapi/{source}", receive, methods=["POST"])], lifespan=lifespan)


async def _store(pool: asyncpg.Pool, body: bytes) -> None:
    message = _decoder.decode(body).message
    call_id = message.call.id if message.call else ""
    received_at = datetime.now(UTC)
    await pool.execute(
        _INSERT,
        _ORGANIZATION,
        _SOURCE,
        message.type,
        call_id,
        _dedupe_key(call_id, message),
        body,
        received_at,
    )


def _dedupe_key(call_id: str, message: _Message) -> bytes:
    """As the ledger's: call, type, and what sets the type's events apart."""
    apart: tuple[object, ...]
    if message.type == "status-update" and message.status:
        apart = (message.status, message.ended_reason)
    else:
        apart = (
            message.timestamp,
            message.status,
            message.role,
            message.turn,
            message.transcript_type,
            message.text,
        )
    return hashlib.blake2b(repr((call_id, message.type, *apart)).encode(), digest_size=16).digest()


def main() -> None:
    """PLAIN_DSN, PLAIN_SECRET and PLAIN_PORT say where and with what."""
    app = application(dsn=os.environ["PLAIN_DSN"], secret=os.environ["PLAIN_SECRET"].encode())
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PLAIN_PORT"]),
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level="warning",
        backlog=2048,
    )


if __name__ == "__main__":
    main()
