"""Old events and keys go, in every service that has them; nobody can remove young ones."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from libs import outbox, pg
from libs.outbox.forgetting import forget
from services.calls.operations.forgetting import KeyForgetting
from tests.integration.libs.reading import event
from tests.support.postgres import SERVICES, Database

ORGS = (UUID(int=1), UUID(int=2))


async def told(database: Database, schema: str, *, days_ago: int, count: int, org_id: UUID) -> None:
    await database.execute(
        f"""
        INSERT INTO {schema}.outbox (org_id, type, subject, time, traceparent, data)
        SELECT '{org_id}', 'x', 'days ago {days_ago}', now() - interval '{days_ago} days', '', ''
          FROM generate_series(1, {count})
        """  # noqa: S608  schema and numbers are this file's
    )


@pytest.mark.parametrize("schema", SERVICES)
async def test_old_events_are_forgotten_in_bounded_batches(database: Database, schema: str) -> None:
    """The last of the old ones stays, to show where the log goes on."""
    for org_id in ORGS:
        await told(database, schema, days_ago=40, count=7, org_id=org_id)
    await told(database, schema, days_ago=20, count=2, org_id=ORGS[0])

    async with database.pool(f"{schema}_worker") as pool:
        forgotten = []
        for _ in range(3):
            async with pg.transaction(pool) as conn:
                forgotten.append(await forget(conn, schema, days=30, limit=10))

    assert [10, 3, 0] == forgotten
    rows = await database.fetch(f"SELECT subject FROM {schema}.outbox ORDER BY position")  # noqa: S608
    assert ["days ago 40", *["days ago 20"] * 2] == [row["subject"] for row in rows]


async def test_what_is_behind_a_young_event_is_left_for_another_day(database: Database) -> None:
    for days_ago in (40, 20, 40):
        await told(database, "calls", days_ago=days_ago, count=2, org_id=ORGS[0])

    async with database.pool("calls_worker") as pool, pg.transaction(pool) as conn:
        assert 1 == await forget(conn, "calls", days=30, limit=10)


async def test_a_week_is_left_alone_whatever_is_asked(database: Database) -> None:
    """The log stays append-only for the service's own roles, and one organization's for another."""
    await told(database, "calls", days_ago=3, count=2, org_id=ORGS[0])
    await told(database, "calls", days_ago=40, count=2, org_id=ORGS[1])
    rows = await database.fetch("SELECT xid::text AS xid, position FROM calls.outbox")
    places = [[row["xid"] for row in rows], [row["position"] for row in rows]]

    async with database.pool("calls_worker") as pool:
        async with pg.transaction(pool) as conn:
            assert 0 == await conn.fetchval("SELECT calls.forget_events($1, $2, $3)", ORGS[0], *places)
            # What the function set for itself is gone with it.
            assert not await conn.fetchval("SELECT current_setting('app.org_id', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pg.transaction(pool) as conn:
                await conn.execute("DELETE FROM calls.outbox")
    async with database.pool("calls") as pool:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pg.transaction(pool, org_id=ORGS[1]) as conn:
                await conn.fetchval("SELECT calls.forget_events($1, $2, $3)", ORGS[1], *places)

    assert 4 == len(await database.fetch("SELECT FROM calls.outbox"))


async def test_a_reader_that_comes_too_late_is_told_so_once(database: Database) -> None:
    await told(database, "calls", days_ago=40, count=4, org_id=ORGS[0])
    async with database.pool("calls_worker") as pool:

        async def read(cursor: str, *, limit: int = 10) -> outbox.Page:
            async with pg.transaction(pool) as conn:
                return await outbox.read_after(conn, "calls", cursor, limit)

        cursors = [(await read("", limit=count)).cursor for count in range(1, 5)]
        on_time = await read(cursors[0])
        async with pg.transaction(pool) as conn:
            assert 3 == await forget(conn, "calls", days=30, limit=10)
            await outbox.append(conn, "calls", [event("new")])

        late = await read(cursors[0])
        after = await read(late.cursor)
        anew = await read("")
        whole = await read(cursors[3])

    assert (3, False) == (len(on_time.events), on_time.missed)
    assert (["days ago 40", "call-1"], True) == ([one.subject for one in late.events], late.missed)
    assert (["call-1"], False) == ([one.subject for one in whole.events], whole.missed)
    assert [False, False] == [after.missed, anew.missed]


async def test_old_keys_of_webhooks_are_forgotten_wherever_they_lie(database: Database) -> None:
    source = uuid4()
    await database.execute(
        f"""
        INSERT INTO calls.provider_event_keys (source_id, dedupe_key, org_id, received_at)
        SELECT '{source}', decode(md5(n::text), 'hex'),
               CASE WHEN n % 2 = 0 THEN '{ORGS[0]}' ELSE '{ORGS[1]}' END::uuid,
               now() - make_interval(days => CASE WHEN n % 3 = 0 THEN 40 ELSE 20 END)
          FROM generate_series(1, 15000) AS n
        """  # noqa: S608  ids are this file's
    )

    async with database.pool("calls_worker") as pool:
        forgetting = KeyForgetting(pool, days=30)
        passes = 0
        while await forgetting.step():
            passes += 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pg.transaction(pool) as conn:
                await conn.execute("DELETE FROM calls.provider_event_keys")

    assert 1 < passes < 10
    [left] = await database.fetch(
        "SELECT count(*) AS count, min(received_at) > now() - interval '21 days' AS young"
        "  FROM calls.provider_event_keys"
    )
    assert (10_000, True) == (left["count"], left["young"])
