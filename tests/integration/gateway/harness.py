"""A running gateway with its doors, and what a test needs to knock at them."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from callplane.gateway.v2 import gateway_pb2, gateway_pb2_grpc
from libs.environment import Secret
from libs.rpc import Peer, Principal, PrincipalSigner
from libs.rpc.principals import METADATA_KEY
from services.gateway.app import Running
from services.gateway.config import Config
from tests.integration.gateway.peers import Peers
from tests.support.postgres import Database

PRINCIPAL_SECRET = "principal-secret-of-the-gateway-tests"
PUBLIC_URL = "https://hooks.example.com"
VAPI_SECRET = "vapi-secret"
TWILIO_TOKEN = "twilio-token"


def config(database: Database, peers: Peers, **changes: Any) -> Config:
    settings: dict[str, Any] = {
        "database_url": Secret(database.dsn("gateway")),
        "worker_database_url": Secret(database.dsn("gateway_worker")),
        "listen": "127.0.0.1:0",
        "http_listen": "127.0.0.1:0",
        "authz_listen": "127.0.0.1:0",
        "public_url": PUBLIC_URL,
        "encryption_key": Secret("encryption-key-of-the-gateway-tests"),
        "principal_secret": Secret(PRINCIPAL_SECRET),
        "calls_address": peers.address("calls"),
        "campaigns_address": peers.address("campaigns"),
        "notify_address": peers.address("notify"),
        # What one test leaves behind must not reach the next one's `calls`.
        "forward_seconds": 3600.0,
    }
    return Config(**{**settings, **changes})


def hmac_hex(body: bytes, *, secret: str = VAPI_SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def signed(body: bytes, *, secret: str = VAPI_SECRET) -> dict[str, str]:
    return {"X-Vapi-Signature": hmac_hex(body, secret=secret)}


def signed_with_time(body: bytes, *, at: float | None = None, milliseconds: bool = False) -> dict[str, str]:
    seconds = time.time() if at is None else at
    timestamp = str(int(seconds * 1000) if milliseconds else int(seconds))
    return {"X-Signature": hmac_hex(timestamp.encode() + b"." + body), "X-Timestamp": timestamp}


def signed_by_twilio(
    path: str, fields: dict[str, str], *, base: str = PUBLIC_URL, token: str = TWILIO_TOKEN
) -> dict[str, str]:
    text = base + path + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


def webhook(message_type: str, **fields: Any) -> bytes:
    message = {"type": message_type, "timestamp": 1785983686518, "call": {"id": "call-1"}, **fields}
    return json.dumps({"message": message}).encode()


@asynccontextmanager
async def unreachable(database: Database, *, role: str) -> AsyncIterator[None]:
    """The role has no connection inside the block and gets none."""
    await database.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    try:
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608  names of the tests' own making
            f"WHERE usename = '{role}' AND datname = '{database.name}'"
        )
        yield
    finally:
        await database.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")


@dataclass(frozen=True)
class Gateway:
    running: Running
    peers: Peers
    http: httpx.AsyncClient
    authz: httpx.AsyncClient
    peer: Peer
    signer: PrincipalSigner
    org_id: UUID

    @property
    def organizations(self) -> gateway_pb2_grpc.OrganizationServiceStub:
        return gateway_pb2_grpc.OrganizationServiceStub(self.peer.channel)

    @property
    def api_keys(self) -> gateway_pb2_grpc.ApiKeyServiceStub:
        return gateway_pb2_grpc.ApiKeyServiceStub(self.peer.channel)

    @property
    def sources(self) -> gateway_pb2_grpc.SourceServiceStub:
        return gateway_pb2_grpc.SourceServiceStub(self.peer.channel)

    def internal(self, org_id: UUID | None = None) -> tuple[tuple[str, str], ...]:
        """The metadata of another service of ours that acts for an organization."""
        return self.peer.metadata(org_id or self.org_id)

    def token(self, *scopes: str, org_id: UUID | None = None) -> str:
        caller = Principal(subject="key:test", org_id=org_id or self.org_id, scopes=frozenset(scopes))
        return self.signer.sign(caller)

    def caller(self, *scopes: str, org_id: UUID | None = None) -> tuple[tuple[str, str], ...]:
        """The metadata of a customer with these scopes."""
        return ((METADATA_KEY, self.token(*scopes, org_id=org_id)),)

    async def key(self, *scopes: str, **fields: Any) -> gateway_pb2.ApiKey:
        request = gateway_pb2.CreateApiKeyRequest(name="test", scopes=scopes or ("admin",), **fields)
        created: gateway_pb2.ApiKey = await self.api_keys.CreateApiKey(request, metadata=self.internal())
        return created

    async def post(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(path, content=body, headers=headers)

    async def vapi(self, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
        sent = {"content-type": "application/json", **(signed(body) if headers is None else headers)}
        return await self.http.post("/hooks/vapi/vapi-main", content=body, headers=sent)
