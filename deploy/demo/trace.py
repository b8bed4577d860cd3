"""The trace of the campaign, read back from the file the local stack's collector writes."""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

# What one trace of the outbound story must run through.
EXPECTED_SERVICES = frozenset({"envoy", "gateway", "calls", "campaigns", "notify"})
SPANS_SECONDS_MAX = 20.0
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Trace:
    trace_id: str
    spans: int
    services: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return set(self.services) >= EXPECTED_SERVICES


def new_traceparent() -> tuple[str, str]:
    """(trace id, `traceparent` header) of a fresh, sampled trace."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


async def collected(path: Path, trace_id: str) -> Trace:
    """Waits until spans of every expected service are there; what came until then if some never come."""
    deadline = asyncio.get_running_loop().time() + SPANS_SECONDS_MAX
    while True:
        trace = read(path, trace_id)
        if trace.complete or asyncio.get_running_loop().time() > deadline:
            return trace
        await asyncio.sleep(POLL_SECONDS)


def read(path: Path, trace_id: str) -> Trace:
    spans = 0
    services = set()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if trace_id not in line or not line.endswith("\n"):
                continue
            span = json.loads(line)
            if span["traceId"] == trace_id:
                spans += 1
                services.add(span["service"])
    return Trace(trace_id=trace_id, spans=spans, services=tuple(sorted(services)))
