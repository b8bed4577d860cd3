"""The record made again from the ledger, and from its events."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from callplane.calls.v2 import calls_pb2
from libs import failpoints
from libs.errors import InvalidPageToken
from libs.pg import transaction
from services.calls.domain.differences import Difference, Source
from services.calls.operations import settling
from services.calls.operations.rebuilding import BEGINNING, Rebuilding, RebuildPlace
from tests.integration.calls.harness import ORG, OTHER_ORG, House, Service
from tests.integration.calls.test_samples import samples
from tests.support.vapi_messages import (
    FLOODED,
    NASTY,
    STRUCTURED,
    conversation_update,
    message,
    report,
    said,
    status_update,
    transcript,
    whole_call,
)

__all__ = ["samples"]

FOLDED = ("calls", "call_events", "transcripts", "unparsed_events")
# When a row was last written and what the reconciler notes for itself is not part of the record.
NOTES = ("updated_at", "looked_up_at", "lookups", "completion_looked_at", "completion_looks")
KEPT = ("outbox", "leads", "tool_calls", "own_facts", "provider_events")


async def rich_record(house: House, bodies: Sequence[bytes] = ()) -> None:
    """Calls of every kind: whole ones, cut off ones, each source of lines, tools, leads, broken webhooks,
    another organization; outbound ones in every state of their placing."""
    await house.rules.install_pack(ORG, "drain_cleaning_quebec")
    for number in range(4):
        await house.told(*whole_call(f"whole-{number}", structured_data=STRUCTURED))
    await house.told(*whole_call("cut-off")[:5], *whole_call("no-report")[:-1])
    await house.told(transcript("live", "user", "Allô?", at=4), transcript("live", "assistant", "Oui", at=5))
    await house.told(transcript("live", "user", "Bon", at=5), conversation_update("told", FLOODED, at=8))
    await house.told(report("corrected", lines=FLOODED, at=70), report("corrected", cost=0.5, at=90))
    await house.told(report("sure", lines=[{**said("user", "Oui", at=3), "metadata": {"confidence": 0.93}}]))
    await house.told(message("hang", "beside", at=3).replace(b'"call": {"id"', b'"was": {"id"'))
    await house.told(b'{"message": {"type": "hang", "timestamp": 1763020000000}, "call": {"id": "outside"}}')
    await house.told(*NASTY.values(), *bodies)
    await house.told(*whole_call("whole-0"), org_id=OTHER_ORG)
    await place_calls(house)
    await house.database.execute(
        "UPDATE calls.leads SET status = 'CONTACTED', notes = 'rang back', version = version + 1"
    )


async def place_calls(house: House) -> None:
    placed = {name: uuid4() for name in ("PLACED", "REFUSED", "UNKNOWN", "PENDING")}
    for placement, call_id in placed.items():
        await house.database.fetch(
            """
            INSERT INTO calls.calls (
                   id, org_id, provider, provider_call_id, direction, status, assistant_id, campaign_id,
                   contact_id, provider_assistant_id, phone_number_id, customer_number, customer_name,
                   max_duration_seconds, placement, placement_requested_at, cancel_requested_at)
            VALUES ($1, $2, 'vapi', $3, 'OUTBOUND', 'QUEUED', 'a', 'c', 'k', 'asst-9', 'pn-9',
                   '+15145550177', 'Ann', 300, $4, now(), now())
            """,
            call_id,
            ORG,
            "placed" if placement == "PLACED" else None,
            placement,
        )
    async with transaction(house.worker_pool) as conn:
        await settling.close(conn, call_id=placed["REFUSED"], closed_as="FAILED")
    outbound = {"type": "outboundPhoneCall", "name": str(placed["UNKNOWN"])}
    await house.told(status_update("placed", "in-progress", at=5, call={"type": "outboundPhoneCall"}))
    await house.told(status_update("found", "ringing", at=2, call=outbound), report("found", call=outbound))


async def contents(house: House, tables: Sequence[str]) -> dict[str, str]:
    """A checksum of each table's rows."""
    drop = " - ".join(["to_jsonb(one)", *(f"'{name}'" for name in NOTES)])
    sums = {}
    for table in tables:
        without = drop + (" - 'created_at'" if table == "unparsed_events" else "")
        # Names of tables come from this file.
        rows = await house.database.fetch(
            f"SELECT md5(coalesce(string_agg(({without})::text, '|' ORDER BY ({without})::text), '')) AS sum"  # noqa: S608
            f" FROM calls.{table} AS one"
        )
        sums[table] = rows[0]["sum"]
    return sums


async def rebuilt(
    house: House, *, source: Source = Source.LEDGER, apply: bool = False, org_id: UUID | None = None
) -> list[Difference]:
    """Every slice of it."""
    rebuilding = Rebuilding(house.worker_pool)
    found: list[Difference] = []
    place: RebuildPlace | None = BEGINNING
    while place is not None:
        done = await rebuilding.step(org_id=org_id, source=source, apply=apply, after=place, limit=7)
        found += done.differences
        place = done.next
    return found


async def test_the_deleted_record_comes_back_identical_from_the_ledger(
    house: House, samples: dict[str, bytes]
) -> None:
    """IN-5: every folded row is deleted; the rebuild leaves the same rows, and says nothing to anybody."""
    await rich_record(house, list(samples.values()))
    before, kept = await contents(house, FOLDED), await contents(house, KEPT)
    assert [] == await rebuilt(house)
    assert [] == await rebuilt(house, source=Source.CALL_EVENTS)
    await house.database.execute("TRUNCATE calls.calls, calls.call_events, calls.transcripts")
    await house.database.execute("TRUNCATE calls.unparsed_events")

    found = await rebuilt(house, apply=True)

    assert {"MISSING"} == {one.kind.value for one in found}
    assert before == await contents(house, FOLDED)
    assert kept == await contents(house, KEPT)
    assert [] == await rebuilt(house)
    assert [] == await rebuilt(house, source=Source.CALL_EVENTS)


async def test_the_call_rows_come_back_identical_from_their_events(house: House) -> None:
    """IN-5: the immutable events are enough for the rows and their lines."""
    await rich_record(house)
    before = await contents(house, FOLDED)
    await house.database.execute(
        "SET session_replication_role = replica; DELETE FROM calls.calls; DELETE FROM calls.transcripts"
    )

    found = await rebuilt(house, source=Source.CALL_EVENTS, apply=True)

    assert {"calls", "transcripts"} == {one.table for one in found}
    assert before == await contents(house, FOLDED)


@pytest.mark.parametrize("source", list(Source))
async def test_differences_are_named_without_values_and_put_right(house: House, source: Source) -> None:
    """IN-5: the report says which call and which columns."""
    await rich_record(house)
    before = await contents(house, FOLDED)
    [changed, spoken] = [(await house.call(name))["id"] for name in ("whole-1", "live")]
    await house.database.fetch(
        "UPDATE calls.calls SET cost_usd = 9, campaign_id = 'x', facts = '{}' WHERE id = $1", changed
    )
    await house.database.fetch("UPDATE calls.transcripts SET message = 'x' WHERE call_id = $1", spoken)

    told = await rebuilt(house, source=source)

    assert {changed: ("campaign_id", "cost_usd", "facts")} == {
        one.call_id: tuple(sorted(one.columns)) for one in told if one.table == "calls"
    }
    assert {(spoken, ("message",))} == {
        (one.call_id, one.columns) for one in told if one.table == "transcripts"
    }
    assert before != await contents(house, FOLDED)
    assert told == await rebuilt(house, source=source, apply=True)
    assert before == await contents(house, FOLDED)


async def test_a_call_whose_webhooks_are_gone_from_the_ledger_loses_nothing(house: House) -> None:
    """IN-5: the ledger may be kept for a shorter time than the events."""
    await house.told(*whole_call("c-1", structured_data=STRUCTURED))
    before = await contents(house, FOLDED)
    await house.database.execute(
        "SET session_replication_role = replica;"
        "DELETE FROM calls.provider_events WHERE type = 'end-of-call-report'"
    )

    found = await rebuilt(house, apply=True)

    assert {("call_events", "EXTRA", False)} == {
        (one.table, one.kind.value, one.repairable) for one in found if one.table == "call_events"
    }
    assert before == await contents(house, FOLDED)
    assert [] == await rebuilt(house, source=Source.CALL_EVENTS)


async def test_a_record_of_which_nothing_is_left_is_begun_anew(house: House) -> None:
    """IN-5: even without our own facts the ledger tells every call."""
    await house.told(*whole_call("c-1"), *NASTY.values())
    before = await house.call("c-1")
    await house.database.execute("TRUNCATE calls.own_facts, calls.calls, calls.unparsed_events CASCADE")

    await rebuilt(house, apply=True)

    after = await house.call("c-1")
    told = ("status", "outcome", "cost_usd", "summary", "transcript_lines", "facts", "ended_at")
    assert [before[column] for column in told] == [after[column] for column in told]
    assert [] == await rebuilt(house)


async def test_a_webhook_of_a_call_whose_row_is_gone_does_not_make_another_call(house: House) -> None:
    """IN-5: the fold goes on while somebody rebuilds."""
    await house.told(*whole_call("c-1")[:4])
    before = await house.call("c-1")
    await house.database.execute("TRUNCATE calls.calls, calls.call_events, calls.transcripts")

    await house.told(*whole_call("c-1")[4:])
    await rebuilt(house, apply=True)

    after = await house.call("c-1")
    assert (before["id"], before["created_at"], "ENDED") == (
        after["id"],
        after["created_at"],
        after["status"],
    )
    assert 10 == await house.count("call_events")


async def test_a_rebuild_beside_a_running_fold_disturbs_neither(house: House) -> None:
    """IN-5: slices and batches take turns."""
    await house.told(*[body for number in range(10) for body in whole_call(f"old-{number}")])
    await house.post(*[body for number in range(10) for body in whole_call(f"new-{number}")])
    await house.database.execute("UPDATE calls.calls SET cost_usd = 9")

    async def fold() -> None:
        await house.fold_all()

    found, _ = await asyncio.gather(rebuilt(house, apply=True), fold())

    assert 10 == len([one for one in found if one.table == "calls"])
    assert [] == await rebuilt(house)
    assert 20 == (await house.events()).count("call.ended")


async def test_an_interrupted_slice_leaves_nothing_half_done_and_is_taken_again(house: House) -> None:
    """IN-5: a rebuild that dies is begun again from its last place."""
    await house.told(*whole_call("c-1"))
    before = await contents(house, FOLDED)
    await house.database.execute("TRUNCATE calls.calls, calls.call_events, calls.transcripts")
    failpoints.configure("rebuild.before_commit=error#1")

    with pytest.raises(failpoints.FailpointError):
        await rebuilt(house, apply=True)

    assert 0 == await house.count("calls")
    await rebuilt(house, apply=True)
    assert before == await contents(house, FOLDED)


async def test_which_call_is_which_stands_apart_from_its_row(house: House) -> None:
    """IN-5: with what we decided ourselves."""
    await house.told(*whole_call("c-1"))
    columns = "call_id, created_at, priority, sla_seconds, provider_call_id"

    rows = await house.database.fetch(f"SELECT {columns} FROM calls.own_facts")  # noqa: S608

    call = await house.call("c-1")
    assert [(call["id"], call["created_at"], call["priority"], call["sla_seconds"], "c-1")] == [
        tuple(row) for row in rows
    ]


async def folded(service: Service, *bodies: bytes) -> None:
    await service.ingest(*bodies)
    deadline = datetime.now(UTC) + timedelta(seconds=10)
    while datetime.now(UTC) < deadline:
        found = await service.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=service.as_org())
        if found.calls and found.calls[0].status == calls_pb2.Call.ENDED and found.calls[0].summary:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not folded")


async def test_the_rpc_goes_through_an_organization_slice_by_slice(house: House, service: Service) -> None:
    """IN-5: over the API, of the caller's organization only."""
    await folded(service, *whole_call("c-1"))
    await house.database.execute("UPDATE calls.calls SET summary = 'secret words'")
    request = calls_pb2.RebuildCallsRequest(apply=True, page_size=1)

    others = await service.calls.RebuildCalls(request, metadata=service.as_org(OTHER_ORG))
    first = await service.calls.RebuildCalls(request, metadata=service.as_org())
    rest = calls_pb2.RebuildCallsRequest(apply=True, page_token=first.next_page_token)
    second = await service.calls.RebuildCalls(rest, metadata=service.as_org())

    assert (0, []) == (others.checked, list(others.differences))
    assert (1, 1, "calls", ["summary"]) == (
        first.checked,
        first.applied,
        first.differences[0].table,
        list(first.differences[0].columns),
    )
    assert "secret" not in str(first)
    assert (0, 0) == (second.checked, second.applied)
    assert "Inondation au sous-sol." == (await house.call("c-1"))["summary"]


async def test_a_foreign_page_token_is_refused(service: Service) -> None:
    request = calls_pb2.RebuildCallsRequest(page_token="WyJhIl0")

    with pytest.raises(Exception, match=InvalidPageToken.__doc__ or ""):
        await service.calls.RebuildCalls(request, metadata=service.as_org())


async def command(house: House, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.calls", "rebuild", *arguments),
        env={"PATH": os.environ["PATH"], "CALLS_WORKER_DATABASE_URL": house.database.dsn("calls_worker")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode in (0, 1), errors.decode()
    return process.returncode, [json.loads(line) for line in output.splitlines()]


async def test_the_command_reports_and_applies(house: House) -> None:
    """IN-5: the operator's command."""
    await house.told(*whole_call("c-1"))
    await house.database.execute("UPDATE calls.calls SET summary = 'secret words'")
    call_id = str((await house.call("c-1"))["id"])

    status, [difference, summary] = await command(house, "--org", str(ORG))

    assert (1, {"checked": 1, "differences": 1, "applied": 0}) == (status, summary)
    assert (call_id, "calls", ["summary"]) == (
        difference["call_id"],
        difference["table"],
        difference["columns"],
    )
    assert "secret" not in str(difference)
    status, [*_, summary] = await command(house, "--apply")
    assert (0, 1) == (status, summary["applied"])
    status, [summary] = await command(house, "--from", "events")
    assert (0, 0) == (status, summary["differences"])
