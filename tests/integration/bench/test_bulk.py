"""Calls loaded in bulk fit the tables as they are, and look as if they had been folded."""

from __future__ import annotations

import asyncpg

from deploy.bench import bulk
from libs.pg import transaction
from services.calls.operations.reading import Reading
from services.calls.store import foldings, ledger
from tests.integration.calls.harness import ORG
from tests.support.postgres import Database


async def test_calls_loaded_in_bulk_are_read_like_any_others(database: Database) -> None:
    connection = await asyncpg.connect(database.superuser_dsn)
    try:
        await connection.execute("UPDATE calls.foldings SET xid = '100'")
        await bulk.prepare_session(connection)
        await bulk.fill(connection, org_id=ORG, first=0, last=9, total=10)
    finally:
        await connection.close()

    async with database.pool("calls_worker") as pool, transaction(pool) as conn:
        place, _ = await foldings.lock_place(conn)
        assert ([], place) == await ledger.read_after(conn, place, limit=10)
    async with database.pool("calls") as pool:
        reading = Reading(pool)
        filters = dict.fromkeys(("status", "direction", "priority", "campaign_id", "customer_number"))
        calls = await reading.list_calls(ORG, **filters, before=None, limit=20)
        events = await reading.list_call_events(ORG, calls[0].id, after=None, limit=50)
        entries = await reading.list_provider_events(
            ORG,
            message_type=None,
            provider_call_id=calls[0].provider_call_id,
            state="FOLDED",
            before=None,
            limit=50,
        )

    assert 10 == len(calls)
    assert bulk.EVENTS_PER_CALL == len(events) == len(entries)
    assert {event.provider_event_id for event in events} == {entry.id for entry in entries}
