"""Reading another service's log: every event takes effect once, whatever breaks."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import grpc
import grpc.aio
import pytest
from structlog.testing import capture_logs

from callplane.events.v1 import events_pb2, events_pb2_grpc
from libs import outbox, pg
from libs.errors import Kind
from libs.outbox import cursors
from libs.outbox.forgetting import forget
from libs.rpc import Peer, serving, to_service_error
from tests.integration.libs import reading
from tests.integration.libs.reading import append, consumer, event, running, write_effect
from tests.support.postgres import Database
from tests.support.waiting import eventually

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
async def effects(log_database: Database) -> Database:
    await log_database.execute(reading.EFFECTS)
    return log_database


@pytest.fixture
async def calls(effects: Database, calls_worker: pg.Pool) -> AsyncIterator[Peer]:
    async with reading.source(calls_worker) as port, reading.peer(port) as peer:
        yield peer


async def _names(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch("SELECT name FROM notify.effects ORDER BY position")]


async def _until(database: Database, count: int) -> list[str]:
    async def enough() -> list[str] | None:
        names = await _names(database)
        return names if len(names) >= count else None

    names = await eventually(enough)
    assert names is not None
    return names


async def _dead(database: Database) -> list[tuple[str, int, str, bool]]:
    rows = await database.fetch(
        "SELECT subject, attempts, error, waiting FROM notify.dead_events ORDER BY position"
    )
    return [tuple(row) for row in rows]


def _poisoned(*names: str, cured: asyncio.Event | None = None) -> outbox.Handle:
    async def handle(conn: pg.Connection, message: events_pb2.Event) -> None:
        await write_effect(conn, message)
        if reading.name_of(message) in names and not (cured and cured.is_set()):
            raise ValueError("poison")

    return handle


async def test_each_event_takes_effect_once_and_in_order(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    expected = [f"{number}" for number in range(250)]
    await append(calls_worker, [event(name) for name in expected[:230]])

    woken = 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    async with running(consumer(calls, notify_worker, wake_after_commit=wake)):
        await _until(effects, 230)
        await append(calls_worker, [event(name) for name in expected[230:]])
        assert await _until(effects, 250) == expected

    assert 0 < woken < 20


async def test_it_goes_on_where_it_stopped(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    await append(calls_worker, [event("a")])
    async with running(consumer(calls, notify_worker)):
        await _until(effects, 1)
    await append(calls_worker, [event("b")])
    async with running(consumer(calls, notify_worker)):
        assert await _until(effects, 2) == ["a", "b"]


@pytest.mark.parametrize(
    ("failpoint", "count"),
    [
        ("consumer.before_commit=kill#2", 100),
        ("consumer.after_commit=kill#2", 200),
        ("consumer.before_handle=kill#150", 100),
    ],
)
async def test_a_killed_process_neither_loses_nor_repeats(
    effects: Database,
    calls: Peer,
    calls_worker: pg.Pool,
    notify_worker: pg.Pool,
    *,
    failpoint: str,
    count: int,
) -> None:
    """SIGKILL around the commit of the second batch, in a process of its own."""
    expected = [f"{number}" for number in range(250)]
    await append(calls_worker, [event(name) for name in expected])
    program = [sys.executable, "-m", "tests.integration.libs.reading", effects.dsn("notify_worker")]
    process = await asyncio.create_subprocess_exec(
        *program,
        calls.address.rpartition(":")[2],
        env={"FAILPOINTS": failpoint, "PYTHONPATH": ".:protos/gen"},
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == -9
    assert await _names(effects) == expected[:count]

    async with running(consumer(calls, notify_worker)):
        assert await _until(effects, 250) == expected


async def test_an_event_that_kills_its_reader_is_found_out(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    """Attempts count before they are made: as after five crashes."""
    await append(calls_worker, [event("deadly"), event("next", subject="call-2")])
    async with pg.transaction(notify_worker) as conn:
        await cursors.find_or_create(conn, "notify", consumer=reading.CONSUMER)
        for _ in range(5):
            await cursors.count_attempt(conn, "notify", consumer=reading.CONSUMER, at="")

    async with running(consumer(calls, notify_worker)):
        assert await _until(effects, 1) == ["next"]

    assert await _dead(effects) == [("call-1", 5, "PROCESS_DIED", False)]


async def test_only_the_key_of_a_poisonous_event_stops(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    await append(
        calls_worker,
        [
            event("before"),
            event("poison"),
            event("other key", subject="call-2"),
            event("behind"),
            event("another key", subject="call-3"),
        ],
    )

    async with running(consumer(calls, notify_worker, handle=_poisoned("poison"))):
        assert await _until(effects, 3) == ["before", "other key", "another key"]
        await append(calls_worker, [event("late behind"), event("late other", subject="call-2")])
        assert (await _until(effects, 4))[3:] == ["late other"]

    assert await _dead(effects) == [
        ("call-1", 5, "ValueError", False),
        ("call-1", 0, "WAITING", True),
        ("call-1", 0, "WAITING", True),
    ]


async def test_a_dead_event_is_retried_with_those_behind_it(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    cured = asyncio.Event()
    reader = consumer(calls, notify_worker, handle=_poisoned("poison", cured=cured))
    await append(calls_worker, [event("poison"), event("behind"), event("marker", subject="call-2")])
    async with running(reader):
        await _until(effects, 1)
        ((dead_id,), *_) = await effects.fetch("SELECT event_id FROM notify.dead_events ORDER BY position")

        with pytest.raises(ValueError, match="poison"):
            await reader.retry(UUID(str(dead_id)))
        assert (await _dead(effects))[0] == ("call-1", 6, "ValueError", False)

        cured.set()
        assert await reader.retry(UUID(str(dead_id)))
        await append(calls_worker, [event("after")])
        assert await _until(effects, 4) == ["marker", "poison", "behind", "after"]

    assert await _dead(effects) == []
    assert not await reader.retry(UUID(str(dead_id)))


async def test_a_discarded_event_lets_its_key_go_on(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    reader = consumer(calls, notify_worker, handle=_poisoned("poison"))
    await append(calls_worker, [event("poison"), event("behind"), event("marker", subject="call-2")])
    async with running(reader):
        await _until(effects, 1)
        ((dead_id,), *_) = await effects.fetch("SELECT event_id FROM notify.dead_events ORDER BY position")

        assert await reader.discard(UUID(str(dead_id)))

        assert await _names(effects) == ["marker", "behind"]
    assert await _dead(effects) == []


async def test_nobody_is_blamed_for_an_unavailable_database(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    failures = 6

    async def handle(conn: pg.Connection, message: events_pb2.Event) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise pg.DatabaseUnavailable
        await write_effect(conn, message)

    await append(calls_worker, [event("a")])
    async with running(consumer(calls, notify_worker, handle=handle)):
        assert await _until(effects, 1) == ["a"]

    assert await _dead(effects) == []


async def test_two_readers_do_the_work_once(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    first, second = consumer(calls, notify_worker), consumer(calls, notify_worker)
    async with running(first):
        await append(calls_worker, [event("a")])
        await _until(effects, 1)
        async with running(second):
            await append(calls_worker, [event("b")])
            await _until(effects, 2)
    async with running(second):
        await append(calls_worker, [event("c")])
        assert await _until(effects, 3) == ["a", "b", "c"]


async def test_a_reader_that_lost_its_lease_without_noticing_writes_nothing(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    """The cursor guards the effects: it has moved on under a handler that stood still."""
    handling, proceed = asyncio.Event(), asyncio.Event()

    async def stand_still(conn: pg.Connection, message: events_pb2.Event) -> None:
        handling.set()
        await proceed.wait()
        await write_effect(conn, message)

    await append(calls_worker, [event("a")])
    slow = consumer(calls, notify_worker, handle=stand_still)
    batch = events_pb2.SubscribeResponse(events=[events_pb2.Event(id=str(reading.ORG))], cursor="9.9")
    async with running(consumer(calls, notify_worker)):
        await _until(effects, 1)

    with pytest.raises(cursors.CursorMoved):
        await slow._take(batch, at="")

    assert await _names(effects) == ["a"]


async def test_it_waits_for_a_source_that_is_away(
    effects: Database, calls_worker: pg.Pool, notify_worker: pg.Pool, unused_tcp_port: int
) -> None:
    await append(calls_worker, [event("a")])
    servicer = outbox.EventServicer(calls_worker, schema="calls")
    async with reading.peer(unused_tcp_port) as peer, running(consumer(peer, notify_worker)):
        await asyncio.sleep(0.3)
        async with serving(
            listen=f"127.0.0.1:{unused_tcp_port}",
            service="calls",
            register=lambda server: events_pb2_grpc.add_EventServiceServicer_to_server(servicer, server),
            signer=reading.SIGNER,
            reflection=False,
        ):
            assert await _until(effects, 1) == ["a"]


async def test_dead_events_are_listed_retried_and_discarded_by_rpc(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    reader = consumer(calls, notify_worker, handle=_poisoned("poison", "worse"))
    servicer = outbox.DeadEventServicer(notify_worker, schema="notify", consumers=[reader])
    await append(
        calls_worker, [event("poison"), event("worse", subject="call-2"), event("marker", subject="call-3")]
    )
    async with running(reader):
        await _until(effects, 1)

    def register(server: grpc.aio.Server) -> None:
        events_pb2_grpc.add_DeadEventServiceServicer_to_server(servicer, server)

    async with (
        serving(
            listen="127.0.0.1:0", service="notify", register=register, signer=reading.SIGNER, reflection=False
        ) as server,
        reading.peer(server.port) as notify,
    ):
        stub = events_pb2_grpc.DeadEventServiceStub(notify.channel)
        metadata = notify.metadata()
        first = await stub.ListDeadEvents(events_pb2.ListDeadEventsRequest(page_size=1), metadata=metadata)
        second = await stub.ListDeadEvents(
            events_pb2.ListDeadEventsRequest(page_token=first.next_page_token), metadata=metadata
        )
        (poison,), (worse,) = first.dead_events, second.dead_events
        assert [reading.name_of(dead.event) for dead in (poison, worse)] == ["poison", "worse"]
        assert (poison.attempts, poison.error, second.next_page_token) == (5, "ValueError", "")

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.RetryDeadEvent(
                events_pb2.RetryDeadEventRequest(event_id=poison.event.id), metadata=metadata
            )
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        request = events_pb2.DiscardDeadEventRequest(event_id=poison.event.id)
        await stub.DiscardDeadEvent(request, metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.DiscardDeadEvent(request, metadata=metadata)
        assert to_service_error(raised.value).kind is Kind.MISSING

    assert [dead[0] for dead in await _dead(effects)] == ["call-2"]


async def test_events_without_an_effect_are_passed_over_together(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    """Whoever chooses sees a batch as a whole; a dead event holds up only what was chosen."""
    batches: list[int] = []

    async def choose(_: pg.Connection, events: Sequence[events_pb2.Event]) -> Sequence[events_pb2.Event]:
        batches.append(len(events))
        return [one for one in events if not reading.name_of(one).startswith("other")]

    await append(calls_worker, [event(f"other {number}", subject=f"s-{number}") for number in range(60)])
    await append(calls_worker, [event("a"), event("poison"), event("other"), event("behind")])
    await append(calls_worker, [event("other last", subject="s-1"), event("b", subject="s-2")])

    async with running(consumer(calls, notify_worker, handle=_poisoned("poison"), choose=choose)):
        assert ["a", "b"] == await _until(effects, 2)

    assert 66 == batches[0]
    assert [("call-1", False), ("call-1", True)] == [
        (subject, waiting) for subject, _, _, waiting in await _dead(effects)
    ]


async def test_a_reader_that_was_away_too_long_says_what_it_missed_and_goes_on(
    effects: Database, calls: Peer, calls_worker: pg.Pool, notify_worker: pg.Pool
) -> None:
    """In the log as an error, and counted."""
    await append(calls_worker, [event("first")])
    async with running(consumer(calls, notify_worker)):
        await _until(effects, 1)
    await append(calls_worker, [event("forgotten"), event("forgotten too")])
    await append(calls_worker, [event("the last old one")])
    await effects.execute("UPDATE calls.outbox SET time = now() - interval '40 days'")
    async with pg.transaction(calls_worker) as conn:
        assert 3 == await forget(conn, "calls", days=30, limit=100)
    await append(calls_worker, [event("new")])

    with capture_logs() as logs:
        async with running(consumer(calls, notify_worker)):
            names = await _until(effects, 3)

    assert ["first", "the last old one", "new"] == names
    told = [log for log in logs if log["event"] == "events were forgotten before they were read"]
    assert [("error", reading.CONSUMER, "calls")] == [
        (log["log_level"], log["consumer"], log["source"]) for log in told
    ]
