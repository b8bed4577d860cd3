"""The log of events: complete and in order, whatever the order of commits."""

import asyncio
import random

import asyncpg
import pytest

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs import outbox, pg
from libs.errors import InvalidArgument
from tests.integration.libs import reading
from tests.integration.libs.reading import ORG, append, event
from tests.support.postgres import Database
from tests.support.waiting import eventually


def _names(page: outbox.Page) -> list[str]:
    return [_name(stored) for stored in page.events]


def _name(stored: outbox.StoredEvent) -> str:
    ended = events_pb2.CallEnded()
    message = events_pb2.Event()
    message.data.ParseFromString(stored.data)
    message.data.Unpack(ended)
    return ended.call.summary


async def _read(pool: pg.Pool, cursor: str, *, limit: int = 100) -> outbox.Page:
    async with pg.transaction(pool) as conn:
        return await outbox.read_after(conn, "calls", cursor, limit)


async def test_events_are_read_in_order_and_pages(calls_worker: pg.Pool) -> None:
    await append(calls_worker, [event("a"), event("b")])
    await append(calls_worker, [event("c")])

    first = await _read(calls_worker, "", limit=2)
    second = await _read(calls_worker, first.cursor, limit=2)
    third = await _read(calls_worker, second.cursor)

    assert [_names(page) for page in (first, second, third)] == [["a", "b"], ["c"], []]
    assert third.cursor == second.cursor
    assert (first.events[0].org_id, first.events[0].subject) == (ORG, "call-1")


async def test_transactions_are_in_the_order_of_numbers_not_of_their_digits(
    log_database: Database, calls_worker: pg.Pool
) -> None:
    """As text, 10 comes before 9: a page would end behind what it left out."""
    for xid in (8, 9, 10, 11):
        await append(calls_worker, [event(str(xid))])
        await log_database.execute(
            f"UPDATE calls.outbox SET xid = '{xid}' WHERE position = (SELECT max(position) FROM calls.outbox)"  # noqa: S608
        )

    first = await _read(calls_worker, "", limit=2)
    second = await _read(calls_worker, first.cursor, limit=2)

    assert [["8", "9"], ["10", "11"]] == [_names(first), _names(second)]
    assert [] == _names(await _read(calls_worker, second.cursor))


async def test_a_late_committer_is_not_skipped(calls_worker: pg.Pool) -> None:
    """The gap of a plain sequence: the earlier number becomes visible after the later one was read."""
    async with pg.transaction(calls_worker) as slow:
        await outbox.append(slow, "calls", [event("early number, late commit")])
        await append(calls_worker, [event("late number, early commit")])

        page = await _read(calls_worker, "")
        assert page.events == ()
        assert page.more_soon

    assert _names(await _read(calls_worker, page.cursor)) == [
        "early number, late commit",
        "late number, early commit",
    ]


async def test_a_late_committer_with_the_younger_transaction_is_not_skipped(calls_worker: pg.Pool) -> None:
    """Numbers and transaction ids in opposite order."""
    async with pg.transaction(calls_worker) as older, pg.transaction(calls_worker) as younger:
        await older.fetchval("SELECT pg_current_xact_id()")
        await outbox.append(younger, "calls", [event("first number")])
        await outbox.append(older, "calls", [event("second number")])
        seen = [await _read(calls_worker, "")]
    while (page := await _read(calls_worker, seen[-1].cursor, limit=1)).events:
        seen.append(page)

    assert sorted(name for page in seen for name in _names(page)) == ["first number", "second number"]


async def test_turns_at_a_lock_are_kept(log_database: Database, calls_worker: pg.Pool) -> None:
    """Who waits for a subject's row comes after who had it, even with the older transaction id."""
    await log_database.execute(
        """
        CREATE TABLE calls.rows (id integer);
        INSERT INTO calls.rows VALUES (1);
        GRANT ALL ON calls.rows TO calls_worker;
        """
    )
    async with pg.transaction(calls_worker) as older:
        await older.fetchval("SELECT pg_current_xact_id()")
        async with pg.transaction(calls_worker) as younger:
            await younger.execute("UPDATE calls.rows SET id = 2")
            await outbox.append(younger, "calls", [event("first turn")])
        await older.execute("UPDATE calls.rows SET id = 3")
        await outbox.append(older, "calls", [event("second turn")])

    assert _names(await _read(calls_worker, "")) == ["first turn", "second turn"]


async def test_nothing_is_skipped_or_doubled_among_many_writers(log_database: Database) -> None:
    rng = random.Random(20261121)

    async with log_database.pool("calls_worker", size_max=12) as pool:

        async def write(writer: int) -> None:
            for number in range(12):
                async with pg.transaction(pool) as conn:
                    await outbox.append(conn, "calls", [event(f"{writer}/{number}")])
                    await asyncio.sleep(rng.uniform(0, 0.01))

        names: list[str] = []
        cursor = ""
        writers = asyncio.gather(*(write(writer) for writer in range(10)))
        while not writers.done() or (await _read(pool, cursor)).events:
            page = await _read(pool, cursor, limit=7)
            names += _names(page)
            cursor = page.cursor
        await writers

    assert sorted(names) == sorted(f"{writer}/{number}" for writer in range(10) for number in range(12))


async def test_what_is_rolled_back_was_never_said(calls_worker: pg.Pool) -> None:
    async def fail() -> None:
        async with pg.transaction(calls_worker) as conn:
            await outbox.append(conn, "calls", [event("never")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert (await _read(calls_worker, "")).events == ()


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1.", ".1", "1.x", "-1.0", "1.-1", f"{2**64}.0", f"0.{2**63}", "1.0.0"]
)
async def test_a_cursor_of_something_else_is_refused(calls_worker: pg.Pool, cursor: str) -> None:
    with pytest.raises(InvalidArgument):
        await _read(calls_worker, cursor)


async def test_requests_append_for_their_own_organization_only(log_database: Database) -> None:
    async with log_database.pool("calls") as pool:
        async with pg.transaction(pool, org_id=ORG) as conn:
            await outbox.append(conn, "calls", [event("mine")])
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await append(pool, [event("nobody's")])


async def test_subscribers_are_woken_and_served_what_they_asked_for(calls_worker: pg.Pool) -> None:
    await append(calls_worker, [event("old"), event("other", type="callplane.call.placed.v1")])

    async with reading.source(calls_worker) as port, reading.peer(port) as peer:
        stub = events_pb2_grpc.EventServiceStub(peer.channel)
        request = events_pb2.SubscribeRequest(types=["callplane.call.ended.v1"])
        stream = stub.Subscribe(request, timeout=5, metadata=peer.metadata())
        batches = aiter(stream)

        first = await anext(batches)
        await append(calls_worker, [event("other", type="callplane.call.placed.v1")])
        second = await anext(batches)
        await append(calls_worker, [event("new")])
        third = await anext(batches)
        stream.cancel()

    names = [[reading.name_of(one) for one in batch.events] for batch in (first, second, third)]
    assert names == [["old"], [], ["new"]]
    assert len({first.cursor, second.cursor, third.cursor}) == 3
    (envelope,) = first.events
    assert (envelope.source, envelope.subject, envelope.org_id) == ("calls", "call-1", str(ORG))


async def test_a_subscriber_hears_of_a_commit_at_once(calls_worker: pg.Pool) -> None:
    async with reading.source(calls_worker) as port, reading.peer(port) as peer:
        stub = events_pb2_grpc.EventServiceStub(peer.channel)
        stream = stub.Subscribe(events_pb2.SubscribeRequest(), timeout=5, metadata=peer.metadata())
        batches = aiter(stream)
        await append(calls_worker, [event("one")])
        await anext(batches)
        # Long enough for polling to have slowed down.
        await asyncio.sleep(1.5)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await append(calls_worker, [event("two")])
        await anext(batches)
        took = loop.time() - started
        stream.cancel()

    assert took < 0.3


async def test_listening_survives_a_lost_connection(log_database: Database, calls_worker: pg.Pool) -> None:
    wakeup = pg.Wakeup(calls_worker, channel="calls_outbox")
    task = asyncio.create_task(wakeup.run())
    async with asyncio.timeout(5):
        await wakeup.listening.wait()
    await log_database.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE query LIKE 'LISTEN%' AND datname = current_database()
        """
    )

    async def woken() -> bool:
        event_ = wakeup.watch()
        await append(calls_worker, [event("x")])
        return await wakeup.wait(event_, seconds_max=0.2)

    await eventually(woken, within_seconds=5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
