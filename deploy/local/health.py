"""Asks the processes of the local stack whether they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import grpc.aio
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

Probe = Callable[[], Awaitable[bool]]

PROBE_SECONDS_MAX = 2.0
POLL_SECONDS = 0.1


def grpc_serving(address: str) -> Probe:
    """SERVING by the gRPC health protocol. A new channel each time: an old one would sit out its backoff."""

    async def probe() -> bool:
        async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            request = health_pb2.HealthCheckRequest()
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PROBE_SECONDS_MAX)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return probe


def http_ok(url: str) -> Probe:
    async def probe() -> bool:
        try:
            async with httpx.AsyncClient(timeout=PROBE_SECONDS_MAX, trust_env=False) as client:
                return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    return probe


async def until(probe: Probe, *, within_seconds: float) -> bool:
    """Whether `probe` said yes in time."""
    try:
        async with asyncio.timeout(within_seconds):
            while not await probe():
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return False
    return True
