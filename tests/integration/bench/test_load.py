"""The load generator in front of the plain handler: every webhook is accounted for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.bench import plain
from deploy.bench.database import Database as BenchDatabase
from deploy.bench.load import Calm, Job, Result
from deploy.bench.measuring import generate
from deploy.bench.plain_server import PlainServer, plain_server
from tests.support.postgres import Database

SECRET = "a secret of this test"


@pytest.fixture
async def server(blank_database: Database) -> AsyncIterator[PlainServer]:
    await blank_database.execute(plain.TABLE)
    parts = urlsplit(blank_database.superuser_dsn)
    where = BenchDatabase(parts.hostname or "", parts.port or 0, blank_database.name, parts.password or "")
    async with plain_server(where, secret=SECRET, name=blank_database.name) as running:
        yield running


async def loaded(server: PlainServer, **changes: Any) -> Result:
    parts = urlsplit(server.url)
    fields: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port,
        "path": "/hooks/vapi/main",
        "secret": SECRET,
        "connections": 8,
        "seconds": 0.3,
        "prepared": 50,
    }
    return await generate(Job(**{**fields, **changes}))


async def test_what_is_acknowledged_in_a_closed_loop_is_stored(server: PlainServer) -> None:
    place = await server.ledger.place()
    result = await loaded(server)
    stored = await server.ledger.marks_since(place)

    assert result.webhooks.acked > 8
    assert {200: result.webhooks.offered} == result.webhooks.statuses
    assert sorted(stored) == sorted(result.marks)


async def test_a_wrong_signature_is_refused_and_stores_nothing(server: PlainServer) -> None:
    place = await server.ledger.place()
    result = await loaded(server, secret="another secret", rate=100.0)

    assert {401: 30} == result.webhooks.statuses
    assert len(result.webhooks.refusal_latencies) == 30
    assert [] == await server.ledger.marks_since(place)


async def test_more_than_the_connections_carry_is_counted_as_unsent_and_calm_is_found(
    server: PlainServer,
) -> None:
    place = await server.ledger.place()
    calm = Calm(rate=10.0, ack_p95_seconds_max=5.0, seconds_max=5)
    result = await loaded(server, connections=2, rate=50_000.0, queued=False, calm=calm)

    assert result.webhooks.unsent > 0
    assert 15_000 == result.webhooks.offered == result.webhooks.unsent + result.webhooks.acked
    assert result.calm is not None
    assert 40 == result.calm.acked
    assert result.calm_after_seconds is not None
    assert result.calm_after_seconds < 1
    assert set(await server.ledger.marks_since(place)) == set(result.marks)
