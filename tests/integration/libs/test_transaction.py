"""Transactions, and the organization they see."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs import pg
from tests.support.postgres import Database

ORG, OTHER = uuid4(), uuid4()

TABLE = """
CREATE TABLE calls.things (
    org_id uuid NOT NULL, name text NOT NULL CONSTRAINT things_name_unique UNIQUE, extra jsonb
);
ALTER TABLE calls.things ENABLE ROW LEVEL SECURITY;
ALTER TABLE calls.things FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON calls.things TO calls
    USING (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid)
    WITH CHECK (org_id = NULLIF(current_setting('app.org_id', true), '')::uuid);
CREATE POLICY worker ON calls.things TO calls_worker USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON calls.things TO calls, calls_worker;
"""


@pytest.fixture
async def things(blank_database: Database) -> Database:
    await blank_database.execute(TABLE)
    return blank_database


@pytest.fixture
async def pool(things: Database) -> AsyncIterator[pg.Pool]:
    """One connection, so that every transaction reuses it."""
    async with things.pool("calls", size_max=1) as pool:
        yield pool


async def _add(pool: pg.Pool, name: str, *, org_id: UUID, as_org: UUID | None) -> None:
    async with pg.transaction(pool, org_id=as_org) as conn:
        await conn.execute("INSERT INTO calls.things (org_id, name) VALUES ($1, $2)", org_id, name)


async def _names(pool: pg.Pool, org_id: UUID | None) -> list[str]:
    async with pg.transaction(pool, org_id=org_id) as conn:
        return [
            row["name"] for row in await conn.fetch("SELECT name FROM calls.things ORDER BY name LIMIT 100")
        ]


async def test_each_organization_sees_its_own_rows(pool: pg.Pool) -> None:
    await _add(pool, "mine", org_id=ORG, as_org=ORG)
    await _add(pool, "theirs", org_id=OTHER, as_org=OTHER)

    assert await _names(pool, ORG) == ["mine"]
    assert await _names(pool, OTHER) == ["theirs"]


async def test_without_an_organization_nothing_is_seen(pool: pg.Pool) -> None:
    """Also on a connection that an organization has just used."""
    await _add(pool, "mine", org_id=ORG, as_org=ORG)

    assert await _names(pool, None) == []


async def test_the_organization_is_gone_after_an_error(pool: pg.Pool) -> None:
    await _add(pool, "mine", org_id=ORG, as_org=ORG)
    with pytest.raises(ZeroDivisionError):
        async with pg.transaction(pool, org_id=ORG):
            raise ZeroDivisionError
    with pytest.raises(asyncpg.UniqueViolationError):
        await _add(pool, "mine", org_id=ORG, as_org=ORG)

    assert await _names(pool, None) == []


async def test_rows_of_another_organization_cannot_be_written(pool: pg.Pool) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _add(pool, "smuggled", org_id=OTHER, as_org=ORG)


async def test_the_worker_sees_all(things: Database, pool: pg.Pool) -> None:
    await _add(pool, "mine", org_id=ORG, as_org=ORG)
    await _add(pool, "theirs", org_id=OTHER, as_org=OTHER)

    async with things.pool("calls_worker") as worker:
        assert await _names(worker, None) == ["mine", "theirs"]


async def test_what_raises_is_rolled_back(pool: pg.Pool) -> None:
    async def fail() -> None:
        async with pg.transaction(pool, org_id=ORG) as conn:
            await conn.execute("INSERT INTO calls.things (org_id, name) VALUES ($1, 'x')", ORG)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert await _names(pool, ORG) == []


async def test_each_statement_of_its_own_is_kept(things: Database) -> None:
    async def add_and_fail(worker: pg.Pool) -> None:
        async with pg.autocommit(worker) as conn:
            await conn.execute("INSERT INTO calls.things (org_id, name) VALUES ($1, 'kept')", ORG)
            raise ZeroDivisionError

    async with things.pool("calls_worker") as worker:
        with pytest.raises(ZeroDivisionError):
            await add_and_fail(worker)

        assert await _names(worker, None) == ["kept"]


async def test_without_a_transaction_a_killed_connection_is_unavailable_too(things: Database) -> None:
    async def be_killed(worker: pg.Pool) -> None:
        async with pg.autocommit(worker) as conn:
            pid = await conn.fetchval("SELECT pg_backend_pid()")
            await things.execute(f"SELECT pg_terminate_backend({pid}, 1000)")
            await conn.execute("SELECT 1")

    async with things.pool("calls_worker") as worker:
        with pytest.raises(pg.DatabaseUnavailable):
            await be_killed(worker)

        assert await _names(worker, None) == []


async def test_jsonb_is_python(pool: pg.Pool) -> None:
    value = {"list": [1, "é"], "none": None}
    async with pg.transaction(pool, org_id=ORG) as conn:
        await conn.execute("INSERT INTO calls.things (org_id, name, extra) VALUES ($1, 'x', $2)", ORG, value)
        stored = await conn.fetchval("SELECT extra FROM calls.things WHERE name = 'x'")

    assert stored == value


async def test_an_unqualified_name_fails(pool: pg.Pool) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with pg.transaction(pool, org_id=ORG) as conn:
            await conn.fetch("SELECT name FROM things LIMIT 1")


async def test_another_services_schema_is_closed(things: Database) -> None:
    async with things.pool("notify_worker") as stranger:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _names(stranger, None)


async def test_an_exhausted_pool_is_unavailable(pool: pg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.pg.transactions._ACQUIRE_SECONDS_MAX", 0.05)

    async with pg.transaction(pool, org_id=ORG):
        with pytest.raises(pg.DatabaseUnavailable):
            await _names(pool, ORG)


async def test_a_killed_connection_is_unavailable_and_replaced(things: Database, pool: pg.Pool) -> None:
    async def be_killed() -> None:
        async with pg.transaction(pool, org_id=ORG) as conn:
            pid = await conn.fetchval("SELECT pg_backend_pid()")
            await things.execute(f"SELECT pg_terminate_backend({pid}, 1000)")
            await conn.execute("SELECT 1")

    with pytest.raises(pg.DatabaseUnavailable):
        await be_killed()

    assert await _names(pool, ORG) == []


async def test_a_wrong_argument_is_no_outage(pool: pg.Pool) -> None:
    """Retrying it would not help."""
    with pytest.raises(asyncpg.DataError):
        await _add(pool, "x", org_id="not a UUID", as_org=ORG)  # type: ignore[arg-type]

    assert await _names(pool, ORG) == []


async def test_a_closed_pool_is_unavailable(things: Database) -> None:
    async with things.pool("calls") as closed:
        pass
    with pytest.raises(pg.DatabaseUnavailable):
        await _names(closed, ORG)


async def test_a_deadlock_is_a_lost_race(things: Database) -> None:
    async with things.pool("calls_worker") as worker:
        await _add(worker, "a", org_id=ORG, as_org=None)
        await _add(worker, "b", org_id=ORG, as_org=None)
        both_hold_one = asyncio.Barrier(2)

        async def lock(first: str, second: str) -> None:
            async with pg.transaction(worker) as conn:
                await conn.execute("UPDATE calls.things SET extra = '1' WHERE name = $1", first)
                await both_hold_one.wait()
                await conn.execute("UPDATE calls.things SET extra = '1' WHERE name = $1", second)

        outcomes = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["LostRace", "NoneType"]


async def test_an_error_of_ours_passes_unchanged(pool: pg.Pool) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), pg.transaction(pool, org_id=ORG) as conn:
            await conn.execute("SELECT pg_sleep(5)")

    assert await _names(pool, ORG) == []


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("ALTER ROLE gateway SUPERUSER", "superuser"),
        ("ALTER ROLE gateway BYPASSRLS", "bypass"),
    ],
)
async def test_a_powerful_role_is_refused(blank_database: Database, sql: str, fault: str) -> None:
    await blank_database.execute(sql)
    try:
        with pytest.raises(pg.RoleRefused, match=fault):
            async with blank_database.pool("gateway"):
                pass
    finally:
        await blank_database.execute("ALTER ROLE gateway NOSUPERUSER NOBYPASSRLS")


async def test_the_owner_of_a_schema_is_refused(blank_database: Database) -> None:
    with pytest.raises(pg.RoleRefused, match="owns a schema"):
        async with blank_database.pool("calls_owner"):
            pass


async def test_a_database_that_stays_away_is_reported_in_the_end(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionError):
        await pg.open_pool(
            f"postgresql://calls@127.0.0.1:{unused_tcp_port}/x",
            service="t",
            size_max=1,
            start_seconds_max=0.2,
        )


async def test_a_pool_that_trips_over_itself_is_an_unavailable_database() -> None:
    """Seen after all connections were cut: the pool reconnects by itself at the moment somebody asks."""

    class Tripping:
        async def acquire(self, *, timeout: float) -> None:
            raise asyncpg.InternalClientError("another connection already exists")

    with pytest.raises(pg.DatabaseUnavailable):
        async with pg.transaction(cast("pg.Pool", Tripping())):
            pass
