"""What people, the folder and the reconciler ask at a million calls is found by index."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs import outbox
from services.calls.domain.call import Call, Direction
from services.calls.store import (
    call_events,
    calls,
    completions,
    foldings,
    leads,
    ledger,
    line_health,
    lost_webhooks,
    own_facts,
    paces,
    placements,
    tool_calls,
    transcripts,
)
from tests.integration.calls.harness import ORG
from tests.integration.calls.plans import Plan, fill, plans
from tests.support.postgres import Cluster, Database

# A page or a batch with what belongs to it; filters that nearly every row passes may throw some away.
READ_MAX = 1000
PAGE = 51
NUMBER = "+14380000123"
Ask = Callable[[Any], Awaitable[object]]


@pytest.fixture(scope="module")
async def filled(cluster: Cluster, migrated_template: str) -> AsyncIterator[Database]:
    name = f"{migrated_template}_plans"
    await cluster.create(name, template=migrated_template)
    database = Database(cluster=cluster, name=name)
    try:
        await fill(database, org_id=str(ORG))
        yield database
    finally:
        await cluster.drop(name)


@pytest.fixture(scope="module")
async def known(filled: Database) -> Call:
    """A call of a campaign in the middle of the table."""
    [row] = await filled.fetch(
        """
        SELECT id, org_id, provider, provider_call_id, campaign_id, customer_number, created_at
          FROM calls.calls
         WHERE direction = 'OUTBOUND' AND status = 'ENDED'
         ORDER BY created_at OFFSET 10 LIMIT 1
        """
    )
    return Call(direction=Direction.OUTBOUND, **row)


def listed(**filters: Any) -> Ask:
    names = ("status", "direction", "priority", "campaign_id", "customer_number", "before")
    return lambda conn: calls.list_page(conn, **(dict.fromkeys(names) | filters), limit=PAGE)


def listed_leads(**filters: Any) -> Ask:
    names = ("status", "priority", "assigned_to", "before")
    unfiltered: dict[str, Any] = {**dict.fromkeys(names), "overdue": False}
    return lambda conn: leads.list_page(conn, **(unfiltered | filters), limit=PAGE)


def listed_events(**filters: Any) -> Ask:
    names = ("message_type", "provider_call_id", "state", "before")
    return lambda conn: ledger.list_page(conn, **(dict.fromkeys(names) | filters), limit=PAGE)


BEFORE = (datetime.now(UTC).replace(day=1) - timedelta(days=1), UUID(int=2**127))
WEEK = {"since": datetime.now(UTC) - timedelta(days=365), "until": datetime.now(UTC)}

BY_REQUEST_ROLE: dict[str, tuple[Ask, str]] = {
    "calls, newest": (listed(), "calls_org_created"),
    "calls, next page": (listed(before=BEFORE), "calls_org_created"),
    "calls, ended": (listed(status="ENDED"), "calls_org_created"),
    "calls, failed": (listed(status="FAILED"), "calls_org_status"),
    "calls, timed out": (listed(status="TIMEOUT"), "calls_org_status"),
    "calls, queued": (listed(status="QUEUED"), "calls_org_status"),
    "calls, in progress": (listed(status="IN_PROGRESS", before=BEFORE), "calls_org_status"),
    "calls, P1": (listed(priority="P1"), "calls_org_priority"),
    "calls, outbound": (listed(direction="OUTBOUND"), "calls_org_direction"),
    "calls of a customer": (listed(customer_number=NUMBER), "calls_org_customer"),
    "calls on a phone number": (
        lambda conn: line_health.read(conn, "phone-1", except_campaign_id=""),
        "calls_org_status",
    ),
    "leads, newest": (listed_leads(), "leads_org_created"),
    "leads, next page": (listed_leads(before=BEFORE), "leads_org_created"),
    "leads, quoted": (listed_leads(status="QUOTED"), "leads_org_status"),
    "leads, P1": (listed_leads(priority="P1"), "leads_org_priority"),
    "leads of a person": (listed_leads(assigned_to="Anna"), "leads_org_assigned"),
    "leads, overdue": (listed_leads(overdue=True), "leads_org_"),
    "provider events, newest": (listed_events(), "provider_events_2"),
    "provider events, next page": (listed_events(before=BEFORE), "provider_events_2"),
    "provider events, common type": (listed_events(message_type="transcript"), "provider_events_2"),
    "provider events, rare type": (listed_events(message_type="assistant-request"), "provider_events_2"),
    "provider events, unknown type": (listed_events(message_type="hang"), "provider_events_2"),
    "provider events, folded": (listed_events(state="FOLDED"), "provider_events_2"),
    "provider events, unparsed": (listed_events(state="UNPARSED"), "unparsed_events_org"),
    "provider events, pending": (listed_events(state="PENDING"), "provider_events_2"),
    "provider events, replay of a type": (
        lambda conn: foldings.queue_replays(
            conn, since=WEEK["since"], until=WEEK["until"], message_type="assistant-request", limit=100
        ),
        "provider_events_2",
    ),
    "provider events, replay of unparsed ones": (
        lambda conn: foldings.queue_unparsed_replays(conn, message_type=None, after=None, limit=100, **WEEK),
        "unparsed_events_org",
    ),
    "provider events, replay of ids": (
        lambda conn: foldings.queue_replays_by_id(conn, [UUID(int=1), UUID(int=2)]),
        "provider_events_2",
    ),
    "provider events, existence": (lambda conn: ledger.exist(conn, [UUID(int=1)]), "provider_events_2"),
}
BY_WORKER_ROLE: dict[str, tuple[Ask, str]] = {
    "folder, next entries": (
        lambda conn: ledger.read_after(conn, ledger.Place(xid="3", position=1000), limit=200),
        "provider_events_2",
    ),
    "folder, end of the ledger": (ledger.newest_position, "provider_events_2"),
    "folder, replays": (lambda conn: foldings.take_replays(conn, limit=200), "replays_pkey"),
    "folder, entries by id": (
        lambda conn: ledger.read_many(conn, [(UUID(int=1), BEFORE[0])]),
        "provider_events_2",
    ),
    "reconciler, silent calls": (
        lambda conn: placements.claim_silent(conn, stuck_seconds=600, cancel_seconds=10, limit=20),
        "calls_",
    ),
    "reconciler, unsettled placements": (
        lambda conn: placements.claim_unsettled(conn, pending_seconds=60, look_seconds=30, limit=20),
        "calls_unsettled",
    ),
    "reconciler, incomplete calls": (
        lambda conn: completions.claim_incomplete(conn, report_seconds=60, limit=20),
        "calls_",
    ),
    "reconciler, accounts whose calls are compared": (
        lambda conn: completions.list_targets(conn, limit=20),
        "own_facts_org",
    ),
    "reconciler, whose calls these are": (
        lambda conn: completions.find_owners(
            conn, provider_call_ids=["one", "another"], own_ids=[UUID(int=1)]
        ),
        "own_facts_",
    ),
    "reconciler, whether there is one organization": (completions.find_only_organization, "own_facts_org"),
    "reconciler, lost webhooks": (
        lambda conn: lost_webhooks.settle(conn, late_seconds=60, limit=20),
        "provider_events_2",
    ),
    "watch over carriers": (
        lambda conn: paces.list_failures(conn, seconds=60, limit=1000),
        "calls_failed_outbound",
    ),
    "clock of leads": (lambda conn: leads.mark_breached(conn, limit=20), "leads_clock"),
    "rebuild, calls one after the other": (
        lambda conn: own_facts.list_ids_after(conn, org_id=None, after=None, limit=100),
        "own_facts_",
    ),
    "rebuild, what belongs to no call": (
        lambda conn: ledger.list_loose(
            conn,
            org_id=None,
            after=ledger.Place(xid="3", position=1000),
            until=ledger.Place(xid="3", position=20_000),
            limit=100,
        ),
        "provider_events_2",
    ),
    "event log": (
        lambda conn: outbox.read_after(conn, "calls", "3.1000", 100),
        "outbox_pkey",
    ),
}


def assert_found(found: list[Plan], *, index: str) -> None:
    assert found
    for plan in found:
        assert frozenset() == plan.scanned, plan
        assert plan.read <= READ_MAX, plan
    assert any(name.startswith(index) for plan in found for name in plan.indexes), found


@pytest.mark.parametrize(
    "ask",
    [
        lambda conn: ledger.any_after(conn, ledger.Place(xid="2000000000", position=1)),
        lambda conn: outbox.read_after(conn, "calls", "2000000000.1", 100),
    ],
    ids=["ledger", "event log"],
)
async def test_the_end_is_found_by_index_however_often_it_is_looked_for(filled: Database, ask: Ask) -> None:
    """After some executions the server plans without looking at the place: a third of all rows might follow,
    so that one of them would soon be met wherever it begins."""
    connection = await asyncpg.connect(filled.dsn("calls_worker"))
    try:
        async with connection.transaction():
            for _ in range(10):
                await ask(connection)
            read = await connection.fetchval("SELECT sum(seq_tup_read) FROM pg_stat_xact_user_tables")
    finally:
        await connection.close()

    assert 0 == read


@pytest.mark.parametrize("name", BY_REQUEST_ROLE)
async def test_a_request_finds_its_page_by_index(filled: Database, name: str) -> None:
    """DA-1: lists, newest first, by every filter."""
    ask, index = BY_REQUEST_ROLE[name]

    assert_found(await plans(filled, "calls", ask, org_id=str(ORG)), index=index)


@pytest.mark.parametrize("name", BY_WORKER_ROLE)
async def test_a_loop_finds_its_work_by_index(filled: Database, name: str) -> None:
    """DA-1: the folder, the reconciler and the event log."""
    ask, index = BY_WORKER_ROLE[name]

    assert_found(await plans(filled, "calls_worker", ask, org_id=None), index=index)


@pytest.mark.parametrize(
    ("of_call", "index"),
    [
        (lambda conn, call: calls.find(conn, call_id=call.id), "calls_pkey"),
        (lambda conn, call: listed(campaign_id=call.campaign_id)(conn), "calls_org_campaign"),
        (
            lambda conn, call: call_events.list_page(conn, call_id=call.id, after=None, limit=PAGE),
            "call_events_2",
        ),
        (transcripts.list_lines, "transcripts_2"),
        (lambda conn, call: tool_calls.list_of_call(conn, call, limit=PAGE), "tool_calls_use_unique"),
        (lambda conn, call: placements.find_state(conn, call_id=call.id), "calls_pkey"),
        (
            lambda conn, call: listed_events(provider_call_id=call.provider_call_id)(conn),
            "provider_events_2",
        ),
    ],
    ids=["call", "campaign", "events", "transcript", "tool calls", "placement", "provider events"],
)
async def test_what_belongs_to_a_call_is_found_by_index(
    filled: Database, known: Call, of_call: Callable[[Any, Call], Awaitable[object]], index: str
) -> None:
    """DA-1: a call, and the lists below it."""
    found = await plans(filled, "calls", lambda conn: of_call(conn, known), org_id=str(ORG))

    assert_found(found, index=index)


@pytest.mark.parametrize(
    ("of_call", "index"),
    [
        (
            lambda conn, call: calls.lock_many(
                conn,
                provider_ids=[(call.org_id, call.provider, call.provider_call_id or "")],
                own_ids=[call.id],
            ),
            "calls_provider_call_id_unique",
        ),
        (lambda conn, call: transcripts.summaries(conn, [call]), "transcripts_2"),
        (lambda conn, call: call_events.list_of_calls(conn, [call.id]), "call_events_2"),
        (
            lambda conn, call: ledger.list_of_calls(
                conn,
                [(call.org_id, call.provider, call.provider_call_id or "")],
                until=ledger.Place(xid="4", position=0),
            ),
            "provider_events_2",
        ),
        (
            lambda conn, call: own_facts.find_calls(
                conn, [(call.org_id, call.provider, call.provider_call_id or "")]
            ),
            "own_facts_",
        ),
        (lambda conn, call: leads.lock_of_calls(conn, [call]), "leads_call"),
    ],
    ids=["calls", "said", "events", "provider events", "own facts", "leads"],
)
async def test_the_folder_finds_calls_by_index(
    filled: Database, known: Call, of_call: Callable[[Any, Call], Awaitable[object]], index: str
) -> None:
    """DA-1: what each batch of webhooks asks for, and a rebuild of the record."""
    found = await plans(filled, "calls_worker", lambda conn: of_call(conn, known), org_id=None)

    assert_found(found, index=index)


async def test_a_page_asked_for_often_is_still_planned_for_its_filter(filled: Database) -> None:
    """DA-1: a plan for any filter would read the whole organization for a rare one."""
    async with filled.pool("calls", size_max=1) as pool, pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('app.org_id', $1, true)", str(ORG))
        for _ in range(8):
            await listed(status="TIMEOUT")(conn)
            await listed_events(message_type="hang")(conn)
            await listed_leads(priority="P1")(conn)
        rows = await conn.fetch("SELECT generic_plans FROM pg_prepared_statements WHERE custom_plans >= 8")

        assert [0, 0, 0] == [row["generic_plans"] for row in rows]
