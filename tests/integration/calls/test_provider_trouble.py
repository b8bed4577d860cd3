"""What a provider may do with its webhooks, and a database with a commit, without harm to the record."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import grpc
import pytest

from libs import failpoints
from libs.environment import Secret
from services.calls.domain import facts, record
from services.calls.domain.messages import Message, read
from services.calls.domain.telling import facts_told
from services.calls.domain.transcript import telling_of
from tests.integration.calls.harness import ORG, OTHER_ORG, House, serving
from tests.support.postgres import Database
from tests.support.vapi_messages import (
    FLOODED,
    STRUCTURED,
    conversation_update,
    report,
    said,
    status_update,
    tool_calls,
    tool_use,
    transcript,
    whole_call,
)


def six(call_id: str) -> list[bytes]:
    """Six events that contradict one another as far as events do."""
    return [
        status_update(call_id, "ringing", at=0),
        status_update(call_id, "in-progress", at=5),
        conversation_update(call_id, FLOODED[:3], at=12),
        transcript(call_id, "user", "Allô", at=20),
        status_update(call_id, "ended", at=60, ended_reason="customer-ended-call"),
        report(call_id, lines=FLOODED, structured_data=STRUCTURED, summary="Inondation."),
    ]


async def row(house: House, name: str) -> dict[str, Any]:
    own = {"id", "provider_call_id", "created_at", "updated_at"}
    return {column: value for column, value in (await house.call(name)).items() if column not in own}


async def test_ten_duplicates_of_each_webhook_are_applied_once(house: House) -> None:
    """V7, IN-2: the same bytes again, and bytes that differ where addresses were signed anew."""
    bodies = whole_call("c-1", structured_data=STRUCTURED)
    await house.told(*bodies)
    once, told = await row(house, "c-1"), await house.events()

    for number in range(10):
        changed = [body.replace(b"/r.wav", b"/r.wav?signed=%d" % number) for body in bodies]
        await house.post(*bodies, *changed)
        await house.post(*bodies, source_id=UUID(int=number + 1))
    await house.fold_all()

    assert (once, told) == (await row(house, "c-1"), await house.events())
    # Of ten other sources each stored its own, and nothing came of it.
    assert 11 * len(bodies) == await house.count("provider_events")


def test_all_permutations_of_six_events_end_in_one_state() -> None:
    """V8: 720 orders, one final state."""
    begun = record.new_call(
        UUID(int=1), org_id=ORG, provider="vapi", provider_call_id="c", now=datetime(2026, 1, 1, tzinfo=UTC)
    )
    told = []
    for body in six("c"):
        message = read(body)
        assert isinstance(message, Message)
        told.append(facts_told(message, telling_of(message), received_at=begun.created_at))
    ends = set()
    for order in itertools.permutations(told):
        call = begun
        for one in order:
            call = record.told(call, facts.join(call.facts, one))
        ends.add(
            repr(sorted(call.facts.items())) + repr((call.status, call.outcome, call.ended_at, call.cost_usd))
        )

    assert 1 == len(ends)


async def test_permutations_end_in_one_row(house: House) -> None:
    """V8: every thirtieth of the 720 orders through the database, one webhook at a time."""
    rows = []
    for number, order in enumerate(itertools.islice(itertools.permutations(range(6)), 0, None, 30)):
        bodies = six(f"c-{number}")
        for position in order:
            await house.told(bodies[position])
        rows.append(await row(house, f"c-{number}"))

    assert 24 == len(rows)
    assert all(one == rows[0] for one in rows)


async def test_a_webhook_that_names_another_organizations_call_is_not_attached_to_it(house: House) -> None:
    """V11: neither by our id nor by the provider's."""
    await house.database.fetch(
        """
        INSERT INTO calls.calls (id, org_id, provider, direction, status, placement, placement_requested_at)
        VALUES ($1, $2, 'vapi', 'OUTBOUND', 'QUEUED', 'UNKNOWN', now())
        """,
        UUID(int=7),
        ORG,
    )
    await house.told(status_update("c-1", "ringing", at=0))
    before = await house.database.fetch("SELECT * FROM calls.calls WHERE org_id = $1 ORDER BY id", ORG)

    ours = {"name": str(UUID(int=7)), "metadata": {"callplaneCallId": str(UUID(int=7))}}
    await house.post(
        report("c-1", call=ours), report("c-2", call=ours), org_id=OTHER_ORG, source_id=UUID(int=9)
    )
    await house.fold_all()

    after = await house.database.fetch("SELECT * FROM calls.calls WHERE org_id = $1 ORDER BY id", ORG)
    assert before == after
    theirs = await house.database.fetch("SELECT status FROM calls.calls WHERE org_id = $1", OTHER_ORG)
    assert ["ENDED", "ENDED"] == [one["status"] for one in theirs]


async def test_a_webhook_of_a_call_nobody_knows_begins_one(house: House) -> None:
    """V11: nothing that was acked is dropped for want of a call."""
    await house.told(conversation_update("nobody", [said("user", "Allô?", at=4)], at=6))

    assert ("IN_PROGRESS", 1) == ((await row(house, "nobody"))["status"], await house.count("call_events"))


async def test_a_webhook_three_days_late_changes_nothing_that_is_settled(house: House) -> None:
    """V12: stored, state unchanged."""
    await house.told(*whole_call("c-1", structured_data=STRUCTURED))
    before, told = await row(house, "c-1"), await house.events()

    late = datetime.now(UTC) + timedelta(days=3)
    await house.post(
        status_update("c-1", "forwarding", at=7), transcript("c-1", "user", "Tard", at=8), at=late
    )
    await house.fold_all()

    assert (before, told) == (await row(house, "c-1"), await house.events())
    assert 12 == await house.count("call_events")


class Cutter:
    """Between the service and PostgreSQL. A connection is cut at the statement that carries the marker, which
    is its own transaction: before the server gets it, or after it has committed, so that its answer is
    lost."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.marker = b""
        self.commit_arrives = False
        self.cuts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        down = asyncio.create_task(self._pass_on(server_reader, writer))
        try:
            while data := await reader.read(65536):
                if self.marker and self.marker in data:
                    self.cuts += 1
                    down.cancel()
                    await asyncio.gather(down, return_exceptions=True)
                    if self.commit_arrives:
                        server_writer.write(data)
                        await server_writer.drain()
                        await server_reader.read(65536)
                    break
                server_writer.write(data)
                await server_writer.drain()
        except ConnectionError:
            pass
        finally:
            down.cancel()
            writer.close()
            server_writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def cut(dsn: str) -> AsyncIterator[tuple[Cutter, str]]:
    parts = urlsplit(dsn)
    cutter = Cutter(parts.port or 5432)
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    async with server:
        yield cutter, urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))


async def test_a_commit_whose_answer_is_lost_is_not_acked_and_its_repeat_is_harmless(
    database: Database,
) -> None:
    """K4: the connection is cut with the commit under way; outcome unknown is answered as not stored."""
    rounds, false_acks, in_doubt = 20, 0, 0
    codes: set[grpc.StatusCode] = set()
    async with (
        cut(database.dsn("calls_worker")) as (cutter, url),
        serving(database, worker_database_url=Secret(url)) as service,
    ):
        for number in range(rounds):
            name = f"cut-{uuid4()}"
            cutter.marker, cutter.commit_arrives = name.encode(), number % 2 == 0
            try:
                await service.ingest(status_update(name, "ringing", at=0))
                false_acks += 1
            except grpc.RpcError as error:
                codes.add(error.code())
            # The caller's own retries were cut as well; from here on nothing is.
            cutter.marker = b""
            stored = await service.ingest(status_update(name, "ringing", at=0))
            assert (0 if cutter.commit_arrives else 1) == stored
            in_doubt += cutter.commit_arrives

    rows = await database.fetch("SELECT provider_call_id FROM calls.provider_events")
    assert {grpc.StatusCode.UNAVAILABLE} == codes
    assert (0, rounds // 2) == (false_acks, in_doubt)
    assert cutter.cuts >= rounds
    assert rounds == len(rows) == len({row["provider_call_id"] for row in rows})


def answered(answer: str) -> str:
    """What the assistant was told, in whatever way."""
    [told] = json.loads(answer)["results"]
    return str(told.get("result") or told["error"])


async def test_a_tool_asked_for_by_many_at_once_runs_once(database: Database) -> None:
    """IN-7: one row, and everybody gets its answer."""
    quote = {"serviceType": "debouchage"}
    body = tool_calls("c-1", tool_use("call_1", "calculateQuote", quote), at=20)
    async with serving(database) as service:
        answers = await asyncio.gather(*(service.answer(body) for _ in range(12)))

    rows = await database.fetch("SELECT result, status, duration_ms, executed_at FROM calls.tool_calls")
    assert 1 == len(rows) == len(set(answers))
    assert rows[0]["result"] == answered(answers[0])


@pytest.mark.parametrize(("point", "kept"), [("answer.before_commit", 0), ("answer.after_commit", 1)])
async def test_a_tool_whose_answer_was_lost_is_not_run_again(
    database: Database, point: str, kept: int
) -> None:
    """IN-7: a failure before the commit leaves nothing, one after it leaves the answer to be repeated."""
    body = tool_calls("c-1", tool_use("call_1", "calculateQuote", {"serviceType": "debouchage"}), at=20)
    async with serving(database) as service:
        failpoints.configure(f"{point}=error#1")
        with pytest.raises(grpc.RpcError):
            await service.answer(body)
        first = await database.fetch("SELECT id, result FROM calls.tool_calls")
        answer = await service.answer(body)
        failpoints.configure("")

    rows = await database.fetch("SELECT id, result FROM calls.tool_calls")
    assert (kept, 1) == (len(first), len(rows))
    assert not first or first == rows
    assert rows[0]["result"] == answered(answer)
