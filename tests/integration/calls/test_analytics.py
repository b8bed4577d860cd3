"""Figures of calls: right, refreshed beside their readers, and everybody's own."""

from collections import Counter
from typing import Any

import asyncpg
import pytest

from callplane.calls.v2 import analytics_pb2, analytics_pb2_grpc, calls_pb2
from libs.pg import transaction
from services.calls.domain.analytics import CallAnalytics
from services.calls.domain.call import Status
from services.calls.operations.analytics import Analytics, FigureRefresh
from tests.integration.calls.harness import ORG, OTHER_ORG, House, Service, serving
from tests.support.postgres import REPOSITORY, Database
from tests.support.vapi_messages import STRUCTURED, status_update, whole_call
from tests.support.waiting import eventually


async def refreshed(house: House) -> None:
    await FigureRefresh(house.worker_pool).step()


async def read(house: House, *, org_id: Any = ORG, **filters: Any) -> CallAnalytics:
    wanted = {"since": None, "until": None, "direction": None, "assistant_id": None} | filters
    return await Analytics(house.request_pool).read(org_id, **wanted)


@pytest.fixture
async def busy(house: House) -> House:
    """Calls of every status, of two assistants and two hours; two of them whole."""
    await house.rules.install_pack(ORG, "drain_cleaning_quebec")
    await house.told(*whole_call("c-1", structured_data=STRUCTURED))
    await house.told(*whole_call("c-2"))
    for number, status in enumerate(Status):
        await house.told(status_update(f"s-{number}", "ringing", at=0, call={"assistantId": "asst-2"}))
        ended = "now()" if status.terminal else "NULL"
        await house.database.execute(
            f"""
            UPDATE calls.calls
               SET status = '{status}', ended_at = {ended}, created_at = now() - interval '1 day'
             WHERE provider_call_id = 's-{number}'
            """  # noqa: S608
        )
    await refreshed(house)
    return house


async def test_calls_are_counted_by_the_words_of_reports(busy: House) -> None:
    """RU-7, IN-10: total, active, completed, failed, abandoned; urgent, durations, costs."""
    words = Counter(status.status_class.value for status in Status)
    assert {"active": 3, "completed": 1, "failed": 1, "abandoned": 2} == dict(words)

    total = (await read(busy)).total

    assert (9, 3, 3, 1, 2) == (total.total, total.active, total.completed, total.failed, total.abandoned)
    assert (2, 2, 2) == (total.urgent, total.answered, total.connected)
    assert (55.0, "0.2470", 4.0) == (
        total.average_duration_seconds,
        f"{total.cost_usd:.4f}",
        total.average_transcript_lines,
    )
    assert (1, 1) == (total.successful, total.evaluated)


async def test_figures_by_hour_day_assistant_and_kind_of_service(busy: House) -> None:
    """RU-7: every way of cutting adds up to the same calls."""
    found = await read(busy)

    assert [7, 2] == [one.figures.total for one in found.hours]
    assert [{"": 7}, {"debouchage": 2}] == [dict(one.service_types) for one in found.hours]
    assert [7, 2] == [figures.total for _, figures in found.days]
    assert [("asst-2", 7), ("asst-1", 2)] == [
        (one.provider_assistant_id, one.figures.total) for one in found.assistants
    ]
    assert {"": 7, "debouchage": 2} == {name: figures.total for name, figures in found.service_types}
    events = dict(found.events)
    assert (2, 1) == (events["callplane.call.ended.v1"], events["callplane.lead.created.v1"])
    assert found.refreshed_at is not None


async def test_figures_are_filtered(busy: House) -> None:
    """RU-7: by time, assistant and direction."""
    latest = (await read(busy)).hours[-1].hour

    assert 2 == (await read(busy, since=latest)).total.total
    assert 7 == (await read(busy, until=latest)).total.total
    assert 7 == (await read(busy, assistant_id="asst-2")).total.total
    assert 0 == (await read(busy, direction="OUTBOUND")).total.total


async def test_what_is_older_than_a_week_is_left_out(busy: House) -> None:
    """RU-7: seven days."""
    await busy.database.execute(
        "UPDATE calls.calls SET created_at = now() - interval '8 days' WHERE provider_call_id LIKE 's-%'"
    )
    await refreshed(busy)

    assert 2 == (await read(busy)).total.total


async def test_another_organization_sees_no_figures(busy: House) -> None:
    """RU-7: materialized views know no row level security; what is read over them does."""
    theirs = await read(busy, org_id=OTHER_ORG)

    assert (0, [], [], []) == (theirs.total.total, theirs.hours, theirs.assistants, theirs.events)
    for pool, org_id in ((busy.request_pool, ORG), (busy.worker_pool, None)):
        for view in ("call_figures_of_all", "event_figures_of_all"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with transaction(pool, org_id=org_id) as conn:
                    await conn.fetch(f"SELECT * FROM calls.{view}")  # noqa: S608
    async with transaction(busy.request_pool) as conn:
        assert 0 == await conn.fetchval("SELECT count(*) FROM calls.call_figures")


async def test_a_refresh_lets_nobody_see_more_than_before(busy: House) -> None:
    """RU-7: neither the worker's transaction nor the owner's password opens other rows for it."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with transaction(busy.request_pool, org_id=ORG) as conn:
            await conn.execute("SELECT calls.refresh_figures()")
    owner = await asyncpg.connect(busy.database.dsn("calls_owner"))
    try:
        assert 0 == await owner.fetchval("SELECT count(*) FROM calls.call_counts")
    finally:
        await owner.close()


async def test_figures_are_refreshed_beside_their_readers(busy: House) -> None:
    """RU-7: concurrently, with no more rights than the roles of a real database have."""
    roles = (REPOSITORY / "deploy/postgres/roles.sql").read_text(encoding="utf-8")
    await busy.database.execute(roles)
    await busy.told(*whole_call("c-3"))

    async with transaction(busy.request_pool, org_id=ORG) as conn:
        before = await conn.fetchval("SELECT sum(total) FROM calls.call_figures")
        await refreshed(busy)
        after = await conn.fetchval("SELECT sum(total) FROM calls.call_figures")

    assert (9, 10) == (before, after)


async def test_figures_over_the_api_are_refreshed_by_themselves(database: Database) -> None:
    """RU-7: `GET /v2/analytics/calls`."""
    async with serving(database, analytics_seconds=0.2) as service:
        await service.ingest(*whole_call("c-1"))

        async def counted() -> analytics_pb2.CallAnalytics | None:
            found = await analytics_of(service)
            return found if found.total.completed else None

        found = await eventually(counted)
        theirs = await analytics_of(service, org_id=OTHER_ORG)

    assert (1, 1, 55.0, "0.1235") == (
        found.total.total,
        found.hours[0].figures.completed,
        found.total.average_duration_seconds,
        found.total.cost_usd,
    )
    assert {"debouchage": 1} == dict(found.hours[0].service_types)
    assert ["asst-1"] == [one.provider_assistant_id for one in found.assistants]
    assert (0, 0) == (theirs.total.total, len(theirs.hours))
    assert theirs.HasField("refreshed_at")


async def analytics_of(service: Service, *, org_id: Any = ORG) -> analytics_pb2.CallAnalytics:
    stub = analytics_pb2_grpc.AnalyticsServiceStub(service.peer.channel)
    request = analytics_pb2.GetCallAnalyticsRequest(direction=calls_pb2.Call.INBOUND)
    return await stub.GetCallAnalytics(request, metadata=service.as_org(org_id))
