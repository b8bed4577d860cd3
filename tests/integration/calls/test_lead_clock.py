"""The clock of leads: a breach is said once, whatever happens around it."""

import asyncio
from datetime import UTC

import pytest
from google.protobuf import any_pb2

from callplane.events.v1 import events_pb2
from libs import failpoints
from services.calls.domain.leads import NewLead
from tests.integration.calls.harness import ORG, OTHER_ORG, House
from tests.support.vapi_messages import FLOODED, report

BREACHED = "lead.sla_breached"
MAKE_OVERDUE = "UPDATE calls.leads SET sla_due_at = now() - interval '1 second'"


async def breaches(house: House) -> int:
    return (await house.events()).count(BREACHED)


async def test_a_new_lead_past_its_due_time_is_said_once(house: House) -> None:
    """RU-6: the event and the column come in one transaction, and never again."""
    lead = await house.leads.create(ORG, NewLead(customer_number="+15145550101"))
    assert 0 == await house.lead_clock.tick()
    await house.database.execute(MAKE_OVERDUE)

    ticks = [await house.lead_clock.tick() for _ in range(3)]

    assert [1, 0, 0] == ticks
    after = await house.leads.get(ORG, lead.id)
    assert after.sla_breached_at is not None
    assert (1, lead.version) == (await breaches(house), after.version)
    [row] = await house.database.fetch(
        "SELECT subject, data FROM calls.outbox WHERE type LIKE '%sla_breached%'"
    )
    said = events_pb2.LeadSlaBreached()
    assert any_pb2.Any.FromString(row["data"]).Unpack(said)
    assert (str(lead.id), str(lead.id), "NEW") == (row["subject"], said.lead.id, said.lead.status)
    assert after.sla_breached_at == said.breached_at.ToDatetime(tzinfo=UTC)


@pytest.mark.parametrize("status", ["CONTACTED", "QUOTED", "SCHEDULED", "WON", "LOST"])
async def test_a_lead_that_was_taken_up_has_no_clock(house: House, status: str) -> None:
    """RU-6: only NEW ones run out."""
    lead = await house.leads.create(ORG, NewLead(customer_number="+15145550101"))
    await house.leads.update(ORG, lead.id, etag="", changes={"status": status})
    await house.database.execute(MAKE_OVERDUE)

    assert 0 == await house.lead_clock.tick()


async def test_clocks_of_several_processes_say_each_breach_once(house: House) -> None:
    """RU-6: also while two of them believe to have the lease."""
    for number in range(40):
        await house.leads.create((ORG, OTHER_ORG)[number % 2], NewLead(service_type=f"service {number}"))
    await house.database.execute(MAKE_OVERDUE)

    marked = await asyncio.gather(*(house.lead_clock.tick() for _ in range(3)))
    rest = await house.lead_clock.tick()

    assert (40, 40) == (sum(marked) + rest, await breaches(house))


async def test_a_tick_that_dies_before_its_commit_is_done_again(house: House) -> None:
    """RU-6: neither a column without its event nor an event without its column."""
    await house.leads.create(ORG, NewLead(customer_number="+15145550101"))
    await house.database.execute(MAKE_OVERDUE)
    failpoints.configure("leads.before_breach_commit=error")

    with pytest.raises(failpoints.FailpointError):
        await house.lead_clock.tick()

    assert 0 == await breaches(house)
    failpoints.configure("leads.after_breach_commit=error")
    with pytest.raises(failpoints.FailpointError):
        await house.lead_clock.tick()
    failpoints.configure("")
    assert (0, 1) == (await house.lead_clock.tick(), await breaches(house))


async def test_a_repeated_call_about_a_late_lead_keeps_what_was_said(house: House) -> None:
    """RU-6: once per lead, also if another call sets a new due time."""
    await house.rules.install_pack(ORG, "drain_cleaning_quebec")
    await house.told(report("c-1", lines=FLOODED))
    await house.database.execute(MAKE_OVERDUE)
    await house.lead_clock.tick()

    await house.told(report("c-2", lines=FLOODED, structured_data={"adresse": "12 rue A"}))

    assert 0 == await house.lead_clock.tick()
    rows = await house.database.fetch("SELECT address, sla_breached_at IS NOT NULL AS late FROM calls.leads")
    assert [("12 rue A", True)] == [tuple(row) for row in rows]
