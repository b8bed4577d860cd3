"""Webhooks in, the record of calls out."""

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from google.protobuf import any_pb2
from msgspec.structs import replace

from callplane.events.v1 import events_pb2
from libs import failpoints
from libs.pg import transaction
from services.calls.domain.business_hours import BusinessHours, Opening
from services.calls.domain.call import Priority
from services.calls.domain.messages import Message
from services.calls.domain.rules import PriorityRule
from services.calls.domain.transcript import telling_of
from services.calls.domain.webhooks import IncomingWebhook
from services.calls.operations import record
from services.calls.operations.fold import BATCH_MAX
from services.calls.store import foldings
from tests.integration.calls.harness import ORG, OTHER_ORG, House
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

PACK = "drain_cleaning_quebec"


async def test_a_whole_call_becomes_one_row(house: House) -> None:
    await house.rules.install_pack(ORG, PACK)

    await house.told(*whole_call("c-1", structured_data=STRUCTURED))

    call = await house.call("c-1")
    expected = {
        "status": "ENDED",
        "direction": "INBOUND",
        "outcome": "HUMAN",
        "ended_reason": "customer-ended-call",
        "cost_usd": Decimal("0.1235"),
        "duration_seconds": 55.0,
        "customer_number": "+15145550101",
        "phone_number": "+15145550100",
        "customer_name": "Jean Tremblay",
        "postal_code": "H2X 1Y4",
        "service_type": "debouchage",
        "priority": "P1",
        "priority_reason": "urgence_immediate",
        "sla_seconds": 0,
        "transcript_source": "REPORT",
        "transcript_lines": 4,
        "success_evaluation": True,
        "recording_url": "https://storage.example/r.wav",
    }
    assert expected == {column: call[column] for column in expected}
    assert call["sla_due_at"] == call["ended_at"]
    assert await house.count("call_events") == 10
    assert await house.count("unparsed_events") == 0
    lines = await house.database.fetch("SELECT role, message FROM calls.transcripts ORDER BY line_no")
    assert [(row["role"], row["message"]) for row in lines][2] == ("USER", FLOODED[2]["message"])


async def test_events_are_said_once_and_in_order(house: House) -> None:
    await house.rules.install_pack(ORG, PACK)
    for body in whole_call("c-1", structured_data=STRUCTURED):
        await house.told(body)
        await house.told(body)
    call_id = (await house.call("c-1"))["id"]

    assert [
        "call.started",
        "call.conversation_updated",
        "call.conversation_updated",
        "call.ended",
        "call.conversation_updated",
        "call.reported",
    ] == await house.events(str(call_id))
    lead = await house.database.fetch("SELECT id FROM calls.leads")
    assert ["lead.created"] == await house.events(str(lead[0]["id"]))


async def test_one_batch_says_a_conversation_update_once(house: House) -> None:
    await house.told(*whole_call("c-1"))

    assert 1 == (await house.events()).count("call.conversation_updated")
    assert 1 == (await house.events()).count("call.started")


async def test_every_order_and_repetition_ends_in_the_same_record(house: House) -> None:
    """Also in any cutting into batches. What the pure property test cannot see: rows, lines, priority."""
    await house.rules.install_pack(ORG, PACK)
    chance = random.Random(20251113)
    records = []
    for number in range(8):
        name = f"c-{number}"
        bodies = whole_call(name, structured_data=STRUCTURED) * 2
        chance.shuffle(bodies)
        while bodies:
            size = chance.choice((1, 2, 5, 20))
            # Another source, so that the ledger takes the repetition for news.
            sources = [UUID(int=chance.choice((1, 2))) for _ in bodies[:size]]
            for source, body in zip(sources, bodies[:size], strict=True):
                await house.post(body, source_id=source)
            del bodies[:size]
            await house.fold_all()
        records.append(await _record(house, name))

    assert records[0]["call"]["status"] == "ENDED"
    assert all(one == records[0] for one in records[1:])


async def _record(house: House, name: str) -> dict[str, Any]:
    call = await house.call(name)
    own = {"id", "provider_call_id", "created_at", "updated_at"}
    lines = await house.database.fetch(
        """
        SELECT line_no, source, role, message, spoken_at
          FROM calls.transcripts
         WHERE call_id = $1
         ORDER BY line_no
        """,
        call["id"],
    )
    return {
        "call": {column: value for column, value in call.items() if column not in own},
        "lines": [*map(dict, lines)],
    }


async def test_nasty_bodies_are_kept_and_stop_nothing(house: House) -> None:
    stored = await house.post(*NASTY.values())
    await house.told(*whole_call("c-after"))

    assert len(NASTY) == stored
    assert "ENDED" == (await house.call("c-after"))["status"]
    assert len(NASTY) + 10 == await house.count("provider_events")
    assert len(NASTY) + 10 == await house.count("unparsed_events") + await house.count("call_events")
    reasons = await house.database.fetch("SELECT DISTINCT reason FROM calls.unparsed_events ORDER BY reason")
    assert ["NOT_AN_OBJECT", "NOT_JSON", "NO_CALL_ID", "NO_MESSAGE", "NO_TYPE"] == [
        row["reason"] for row in reasons
    ]
    assert "nasty-nul" == (await house.call("nasty-nul"))["provider_call_id"]
    assert (await house.call("nasty-r"))["cost_usd"] is None


async def test_nothing_that_was_committed_is_skipped(house: House) -> None:
    """A transaction that took its place early and commits late is read when it is there."""
    async with house.worker_pool.acquire() as slow:
        block = slow.transaction()
        await block.start()
        await slow.execute("SELECT pg_current_xact_id()")
        await house.told(status_update("c-1", "ringing", at=0))
        assert await house.count("call_events") == 0
        assert house.fold.more_soon
        await block.commit()
    await house.fold_all()

    assert await house.count("call_events") == 1
    assert not house.fold.more_soon


async def test_a_full_batch_tells_where_the_ledger_ends(house: House) -> None:
    """What is left behind is counted by it; nothing is, once the folder keeps up."""
    count = BATCH_MAX + 50
    for first in range(0, count, 350):
        await house.post(*(status_update(f"c-{first + number}", "ringing", at=0) for number in range(350)))
    (newest,) = await house.database.fetch("SELECT max(position) AS position FROM calls.provider_events")

    assert BATCH_MAX == await house.fold.step()
    assert newest["position"] == house.fold.newest_position
    assert 50 == await house.fold.step()
    assert house.fold.newest_position is None


async def test_two_folders_at_once_apply_everything_once(house: House) -> None:
    await house.post(*(status_update(f"c-{number}", "ringing", at=0) for number in range(300)))

    await asyncio.gather(*(house.fold_all() for _ in range(3)))

    assert (300, 300) == (await house.count("calls"), await house.count("call_events"))


async def test_a_poisonous_webhook_is_left_out_and_the_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = telling_of

    def poisonous(found: Message) -> Any:
        if found.provider_call_id == "poison":
            raise ZeroDivisionError
        return applied(found)

    monkeypatch.setattr(record, "telling_of", poisonous)
    await house.told(
        status_update("c-1", "ringing", at=0),
        status_update("poison", "ringing", at=0),
        status_update("c-2", "ringing", at=0),
    )

    assert 2 == await house.count("calls")
    unparsed = await house.database.fetch("SELECT reason FROM calls.unparsed_events")
    assert ["NOT_APPLICABLE"] == [row["reason"] for row in unparsed]

    monkeypatch.undo()
    await _replay_all(house)

    assert "RINGING" == (await house.call("poison"))["status"]
    assert 0 == await house.count("unparsed_events")


async def test_a_value_the_database_refuses_is_left_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the database inside a savepoint does not end the batch."""
    monkeypatch.setattr(
        record, "_status_alone", lambda one: "BAD" if one.message.provider_call_id == "bad" else None
    )

    await house.told(status_update("bad", "ringing", at=0), status_update("good", "ringing", at=0))

    assert ["good"] == [
        row["provider_call_id"] for row in await house.database.fetch("SELECT * FROM calls.calls")
    ]
    assert 1 == await house.count("unparsed_events")


async def test_a_failed_commit_leaves_nothing_half_done(house: House) -> None:
    await house.post(*whole_call("c-1"))
    failpoints.configure("calls.before_commit=error")

    with pytest.raises(failpoints.FailpointError):
        await house.fold.step()

    assert [0, 0, 0, 0] == [
        await house.count(table) for table in ("calls", "call_events", "transcripts", "outbox")
    ]
    failpoints.configure("")
    await house.fold_all()
    assert "ENDED" == (await house.call("c-1"))["status"]


async def test_replaying_applied_webhooks_changes_nothing(house: House) -> None:
    await house.rules.install_pack(ORG, PACK)
    await house.told(*whole_call("c-1", structured_data=STRUCTURED))
    before, said_before = await house.call("c-1"), await house.events()

    assert 10 == await _replay_all(house)

    assert before == await house.call("c-1")
    assert said_before == await house.events()
    assert 10 == await house.count("call_events")


async def test_large_webhooks_are_replayed_a_few_at_a_time(house: House) -> None:
    seven_mebibytes = b"x" * (7 * 1024 * 1024)
    for number in range(3):
        await house.told(
            b'{"message":{"type":"hang","call":{"id":"%d"},"x":"%s"}}' % (number, seven_mebibytes)
        )

    assert 3 == await _queue_all(house)

    assert [2, 1, 0] == [await house.fold.step() for _ in range(3)]


async def _queue_all(house: House) -> int:
    async with transaction(house.request_pool, org_id=ORG) as conn:
        queued, _ = await foldings.queue_replays(conn, since=None, until=None, message_type=None, limit=1000)
        return queued


async def _replay_all(house: House) -> int:
    queued = await _queue_all(house)
    await house.fold_all()
    return queued


async def test_a_call_that_nobody_ended_stays_open(house: House) -> None:
    await house.told(*whole_call("c-1")[:5])

    call = await house.call("c-1")
    assert ("IN_PROGRESS", None, None) == (call["status"], call["ended_at"], call["outcome"])


async def test_the_same_ids_of_two_organizations_are_two_calls(house: House) -> None:
    await house.told(status_update("c-1", "ringing", at=0))
    await house.post(status_update("c-1", "in-progress", at=0), org_id=OTHER_ORG, source_id=UUID(int=9))
    await house.fold_all()

    assert "RINGING" == (await house.call("c-1"))["status"]
    assert "IN_PROGRESS" == (await house.call("c-1", org_id=OTHER_ORG))["status"]


async def test_live_transcripts_add_up_until_something_better_comes(house: House) -> None:
    await house.told(
        transcript("c-1", "user", "Allô?", at=4), transcript("c-1", "assistant", "Bonjour!", at=5)
    )
    await house.told(transcript("c-1", "assistant", "Un instant", at=3))
    assert 3 == (await house.call("c-1"))["transcript_lines"]

    await house.told(conversation_update("c-1", [said("user", "Allô?", at=4)], at=6))
    await house.told(transcript("c-1", "user", "Trop tard", at=7))

    lines = await house.database.fetch("SELECT source, message FROM calls.transcripts")
    assert [("CONVERSATION", "Allô?")] == [(row["source"], row["message"]) for row in lines]


async def test_a_report_with_fewer_lines_shortens_the_transcript(house: House) -> None:
    await house.told(conversation_update("c-1", FLOODED, at=8))
    await house.told(report("c-1", lines=FLOODED[1:3]))

    assert 2 == await house.count("transcripts")


async def test_a_changed_rule_counts_within_seconds(house: House) -> None:
    rule = PriorityRule(name="any", position=1, priority=Priority.P3, reason="first", sla_seconds=60)
    created = await house.rules.priority.create(ORG, rule, by="key:1")
    await house.told(report("c-1", lines=FLOODED))
    changes = {"priority": Priority.P2, "reason": "second"}
    await house.rules.priority.update(ORG, created.id, changes, by="key:1")
    await house.told(report("c-2", lines=FLOODED))

    assert ("P3", "first") == _judgement(await house.call("c-1"))
    assert ("P2", "second") == _judgement(await house.call("c-2"))


async def test_the_time_to_react_may_run_in_business_hours_only(house: House) -> None:
    """RU-1: the customer type of the caller and the business-hours flag of the rule."""
    rule = PriorityRule(
        name="shops",
        position=1,
        customer_type="commercial",
        business_hours_only=True,
        priority=Priority.P2,
        reason="shop",
        sla_seconds=3600,
    )
    await house.rules.priority.create(ORG, rule, by="key:1")
    # The call ends on a Thursday at 7:47 in UTC.
    hours = BusinessHours(weekly=(Opening(day=4, opens=9 * 60, closes=12 * 60),))
    await house.rules.business_hours.put(ORG, hours, by="key:1")
    await house.told(report("c-1", lines=FLOODED, structured_data={"typeClient": "Commercial"}))
    await house.told(report("c-2", lines=FLOODED, structured_data={"typeClient": "autre"}))

    call, other = await house.call("c-1"), await house.call("c-2")

    assert ("P2", "shop") == _judgement(call)
    assert "2025-11-13T10:00:00+00:00" == call["sla_due_at"].isoformat()
    assert call["sla_seconds"] == (call["sla_due_at"] - call["ended_at"]).total_seconds()
    assert "no_rule" == other["priority_reason"]


def _judgement(call: dict[str, Any]) -> tuple[str, str]:
    return call["priority"], call["priority_reason"]


async def test_calls_we_placed_are_not_judged(house: House) -> None:
    await house.rules.install_pack(ORG, PACK)
    await house.told(report("c-1", lines=FLOODED, call={"type": "outboundPhoneCall"}))

    call = await house.call("c-1")
    assert ("OUTBOUND", None) == (call["direction"], call["priority"])
    assert 0 == await house.count("leads")


async def test_bad_customer_data_is_noted_and_dropped(house: House) -> None:
    await house.told(report("c-1", lines=FLOODED, structured_data={"courriel": "nulle part", "nom": "Ann"}))

    call = await house.call("c-1")
    assert ("Ann", "") == (call["customer_name"], call["customer_email"])
    assert ["customer_email is not an e-mail address"] == call["data_notes"]


async def test_webhooks_of_a_month_without_a_partition_are_kept(house: House) -> None:
    await house.post(status_update("c-1", "ringing", at=0), at=datetime.now(UTC) - timedelta(days=400))
    await house.fold_all()

    assert 1 == await house.count("call_events_default")


async def test_partitions_are_created_ahead(house: House) -> None:
    await house.database.execute("SELECT 1")
    this_month = datetime.now(UTC).strftime("%Y%m")
    assert 0 == await house.count(f"provider_events_{this_month}")
    await house.database.execute(f"DROP TABLE calls.transcripts_{this_month}")

    await house.fold.create_partitions()

    assert 0 == await house.count(f"transcripts_{this_month}")


async def test_events_continue_the_trace_of_their_webhook(house: House) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await house.post(report("c-0", lines=FLOODED))
    webhooks = house.ingest
    await webhooks.ingest(
        [
            replace(
                _webhook(report("c-1", lines=FLOODED)),
                traceparent=f"00-{trace_id}-b7ad6b7169203331-01",
            )
        ]
    )
    await house.fold_all()

    call_id = str((await house.call("c-1"))["id"])
    rows = await house.database.fetch("SELECT traceparent FROM calls.outbox WHERE subject = $1", call_id)
    assert rows
    assert all(trace_id in row["traceparent"] for row in rows)


def _webhook(body: bytes) -> IncomingWebhook:
    return IncomingWebhook(
        source_id=UUID(int=1),
        org_id=ORG,
        provider="vapi",
        body=body,
        received_at=datetime.now(UTC),
        traceparent="",
    )


async def test_the_snapshot_in_an_event_is_the_call(house: House) -> None:
    await house.told(*whole_call("c-1"))

    row = (
        await house.database.fetch("SELECT data FROM calls.outbox WHERE type = 'callplane.call.reported.v1'")
    )[0]
    reported = events_pb2.CallReported()
    assert any_pb2.Any.FromString(row["data"]).Unpack(reported)
    assert ("c-1", "ENDED", "HUMAN", "0.1235", 55.0) == (
        reported.call.provider_call_id,
        reported.call.status,
        reported.call.outcome,
        reported.call.cost_usd,
        reported.call.duration_seconds,
    )


async def test_secrets_reach_neither_the_ledger_nor_the_record(house: House) -> None:
    body = message(
        "hang",
        "c-1",
        call={"assistantOverrides": {"server": {"headers": {"X-Vapi-Secret": "s3cr3t-value"}}}},
        toolWithToolCallList=[{"server": {"secret": "s3cr3t-value"}}],
    )
    await house.told(body)

    ledger = await house.database.fetch("SELECT body FROM calls.provider_events")
    events = await house.database.fetch("SELECT payload::text AS payload FROM calls.call_events")
    assert b"s3cr3t-value" not in ledger[0]["body"]
    assert "s3cr3t-value" not in events[0]["payload"]
    assert json.loads(ledger[0]["body"])["message"]["type"] == "hang"
