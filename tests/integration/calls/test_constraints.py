"""What the database itself refuses of a call, whoever writes it."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from callplane.calls.v2 import calls_pb2
from tests.integration.calls.harness import ORG, House
from tests.support.vapi_messages import report, status_update

COLUMNS: dict[str, Any] = {"provider_call_id": "c-1", "direction": "INBOUND", "status": "QUEUED"}


async def insert(house: House, **changes: Any) -> None:
    columns = {"org_id": ORG, "provider": "vapi", **COLUMNS, **changes}
    names = ", ".join(columns)
    values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    # Names of columns come from this file.
    await house.database.fetch(f"INSERT INTO calls.calls ({names}) VALUES ({values})", *columns.values())  # noqa: S608


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"priority": "P5", "sla_seconds": 1}, "calls_priority_known"),
        ({"priority": "P1"}, "calls_priority_has_sla"),
        ({"cost_usd": -1}, "calls_cost_positive"),
        ({"duration_seconds": -1.0}, "calls_duration_positive"),
        ({"status": "ENDED"}, "calls_over_has_end"),
        ({"status": "TIMEOUT"}, "calls_over_has_end"),
        ({"status": "BUSY", "ended_at": datetime.now(UTC)}, "calls_status_known"),
        ({"direction": "SIDEWAYS"}, "calls_direction_known"),
        ({"outcome": "MAYBE"}, "calls_outcome_known"),
        ({"provider_call_id": ""}, "calls_provider_call_id_given"),
        ({"closed_as": "TIMEOUT"}, "calls_closed_has_time"),
    ],
)
async def test_what_cannot_be_is_refused(house: House, changes: dict[str, Any], constraint: str) -> None:
    """IN-4: constraints of the database."""
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(house, **changes)

    assert constraint == refused.value.constraint_name


async def test_a_provider_has_one_call_of_an_id(house: House) -> None:
    """IN-4: the provider's id is unique."""
    await insert(house)

    with pytest.raises(asyncpg.UniqueViolationError):
        await insert(house)


async def test_costs_have_four_places(house: House) -> None:
    """IN-4: numeric(10,4)."""
    rows = await house.database.fetch(
        """
        SELECT format_type(atttypid, atttypmod) AS type
          FROM pg_attribute
         WHERE attrelid = 'calls.calls'::regclass AND attname = 'cost_usd'
        """
    )

    assert ["numeric(10,4)"] == [row["type"] for row in rows]


async def test_a_duration_that_nobody_told_is_computed(house: House) -> None:
    """IN-4: from start and end."""
    await house.told(report("c-1", durationSeconds=None), status_update("c-1", "in-progress", at=5))

    assert 55.0 == (await house.call("c-1"))["duration_seconds"]


def test_a_call_has_every_field_of_the_interface() -> None:
    """IN-4: JSON names that may not change."""
    fields = {field.json_name for field in calls_pb2.Call.DESCRIPTOR.fields}
    promised = (
        "id provider providerCallId direction status outcome assistantId campaignId contactId phoneNumber"
        " customerNumber customerName customerEmail address postalCode problemDescription serviceType"
        " priority priorityReason slaSeconds slaDueAt startedAt endedAt endedReason durationSeconds costUsd"
        " costBreakdown recordingUrl summary successEvaluation successEvaluationRaw analysis lastStatusAt"
        " createdAt"
    )

    assert set() == set(promised.split()) - fields
