"""What the gateway told the other services does not pile up."""

from uuid import uuid4

from tests.integration.gateway.conftest import StartGateway
from tests.support.postgres import Database
from tests.support.waiting import eventually


async def test_old_events_are_forgotten_by_themselves(
    start_gateway: StartGateway, database: Database
) -> None:
    await database.execute(
        f"""
        INSERT INTO gateway.outbox (org_id, type, subject, time, traceparent, data)
        SELECT '{uuid4()}', 'x', 'days ago ' || days, now() - make_interval(days => days), '', ''
          FROM unnest(ARRAY[50, 40, 35, 20]) AS days
        """  # noqa: S608  the id is this test's
    )

    async def left() -> bool:
        rows = await database.fetch("SELECT subject FROM gateway.outbox WHERE type = 'x' ORDER BY position")
        return ["days ago 35", "days ago 20"] == [row["subject"] for row in rows]

    async with start_gateway():
        await eventually(left)
