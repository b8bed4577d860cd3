"""GET /health: whether everything that the API needs is there; GET /livez: whether this process runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import grpc.aio
import msgspec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import Response

from libs.rpc import Peer

_SECONDS_MAX: Final = 2.0
_PEER_SECONDS_MAX: Final = 1.0
# The route is open to everybody, so what it costs is bounded.
_REUSE_SECONDS: Final = 0.5

Check = Callable[[], Awaitable[bool]]


def peer_check(peer: Peer) -> Check:
    """Asks another service by the gRPC health protocol."""
    stub = health_pb2_grpc.HealthStub(peer.channel)

    async def is_serving() -> bool:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=_PEER_SECONDS_MAX)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return is_serving


class Health:
    """`checks` answer whether a dependency is well; one that raises or takes too long is not."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._serving = False
        self._lock = asyncio.Lock()
        self._checked_at = 0.0
        self._results: dict[str, dict[str, Any]] = {}

    def set_serving(self, serving: bool) -> None:
        self._serving = serving

    async def report(self, request: Request) -> Response:
        results = await self._recent_results()
        healthy = self._serving and all(result["healthy"] for result in results.values())
        status = "healthy" if healthy else "unhealthy" if self._serving else "stopping"
        body = {"status": status, "timestamp": datetime.now(UTC), "checks": results}
        return Response(
            msgspec.json.encode(body),
            status_code=200 if healthy else 503,
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )

    async def live(self, request: Request) -> Response:
        return Response(b'{"status":"alive"}', media_type="application/json")

    async def _recent_results(self) -> dict[str, dict[str, Any]]:
        async with self._lock:
            if time.monotonic() - self._checked_at > _REUSE_SECONDS:
                results = await asyncio.gather(*(_measured(check) for check in self._checks.values()))
                self._results = dict(zip(self._checks, results, strict=True))
                self._checked_at = time.monotonic()
            return self._results


async def _measured(check: Check) -> dict[str, Any]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS_MAX):
            healthy = await check()
    except Exception:  # noqa: BLE001  whatever it is, the dependency is not well
        healthy = False
    return {"healthy": healthy, "latency_ms": round((time.monotonic() - started) * 1000, 1)}
