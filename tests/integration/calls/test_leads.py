"""Leads: opened by calls, kept up to date by calls and people."""

from typing import Any

import pytest

from libs.errors import EtagMismatch, InvalidArgument
from services.calls.domain.call import Priority
from services.calls.domain.leads import NewLead
from services.calls.errors import CallNotFound, LeadAlreadyOpen, LeadNotFound, LeadStatusConflict
from services.calls.operations.accounts import Accounts
from tests.integration.calls.harness import ORG, OTHER_ORG, House
from tests.support.vapi_messages import FLOODED, STRUCTURED, report, said, status_update, tool_calls, tool_use

PACK = "drain_cleaning_quebec"


@pytest.fixture
async def ruled(house: House) -> House:
    await house.rules.install_pack(ORG, PACK)
    return house


async def leads_of(house: House) -> list[dict[str, Any]]:
    return [
        dict(row) for row in await house.database.fetch("SELECT * FROM calls.leads ORDER BY created_at, id")
    ]


async def test_a_call_opens_a_lead(ruled: House) -> None:
    await ruled.told(report("c-1", lines=FLOODED, structured_data=STRUCTURED, summary="Inondation"))

    [lead] = await leads_of(ruled)
    call = await ruled.call("c-1")
    assert (call["id"], call["id"], "inbound_call", "NEW") == (
        lead["call_id"],
        lead["last_call_id"],
        lead["source"],
        lead["status"],
    )
    assert ("+15145550101", "Jean Tremblay", "P1", 0) == (
        lead["customer_number"],
        lead["customer_name"],
        lead["priority"],
        lead["sla_seconds"],
    )


async def test_calling_again_updates_the_open_lead_and_raises_its_priority(ruled: House) -> None:
    calm = [said("user", "Mon évier est lent.", at=3)]
    await ruled.told(report("c-1", lines=calm, structured_data={"nom": "Jean", "description": "Évier lent"}))
    await ruled.told(report("c-2", lines=FLOODED, structured_data={"adresse": "12 rue A"}))
    await ruled.told(report("c-3", lines=calm))

    [lead] = await leads_of(ruled)
    assert ("P1", "Jean", "12 rue A", "Évier lent", 3) == (
        lead["priority"],
        lead["customer_name"],
        lead["address"],
        lead["problem_description"],
        lead["version"],
    )
    assert (await ruled.call("c-3"))["id"] == lead["last_call_id"]
    assert ["lead.created", "lead.updated", "lead.updated"] == await ruled.events(str(lead["id"]))


async def test_calls_of_one_batch_share_a_lead(ruled: House) -> None:
    await ruled.told(*(report(f"c-{number}", lines=FLOODED) for number in range(5)))

    assert 1 == len(await leads_of(ruled))


async def test_another_kind_of_service_is_another_lead(ruled: House) -> None:
    await ruled.told(
        report("c-1", lines=FLOODED, structured_data={"serviceType": "gainage"}),
        report("c-2", lines=FLOODED, structured_data={"serviceType": "debouchage"}),
    )

    assert {"gainage", "debouchage"} == {lead["service_type"] for lead in await leads_of(ruled)}


async def test_what_is_learned_late_about_a_call_changes_its_lead(ruled: House) -> None:
    await ruled.told(report("c-1", lines=FLOODED))
    await ruled.told(tool_calls("c-1", tool_use("call_1", "calculateQuote", {"serviceType": "gainage"})))

    [lead] = await leads_of(ruled)
    assert "gainage" == lead["service_type"]


async def test_two_leads_of_a_caller_never_become_one_by_a_late_service(ruled: House) -> None:
    await ruled.told(report("c-1", lines=FLOODED, structured_data={"serviceType": "gainage"}))
    await ruled.told(report("c-2", lines=FLOODED))
    await ruled.told(tool_calls("c-2", tool_use("call_1", "calculateQuote", {"serviceType": "gainage"})))

    assert {"gainage", ""} == {lead["service_type"] for lead in await leads_of(ruled)}


async def test_a_closed_lead_is_left_alone_and_a_new_call_opens_another(ruled: House) -> None:
    await ruled.told(report("c-1", lines=FLOODED))
    await ruled.database.execute("UPDATE calls.leads SET status = 'WON'")
    await ruled.told(report("c-1", lines=FLOODED, at=100, structured_data={"nom": "Late"}))
    await ruled.told(report("c-2", lines=FLOODED))

    assert [("WON", ""), ("NEW", "")] == [
        (lead["status"], lead["customer_name"]) for lead in await leads_of(ruled)
    ]


@pytest.mark.parametrize(
    "body",
    [
        report("c-1", lines=FLOODED, call={"type": "outboundPhoneCall"}),
        report("c-1", ended_reason="customer-did-not-answer"),
        report("c-1", ended_reason="voicemail"),
        report("c-1", lines=FLOODED, structured_data={"serviceType": "fosses septiques"}),
        status_update("c-1", "ended", at=5, ended_reason="customer-ended-call"),
    ],
    ids=["outbound", "no answer", "voicemail", "refused service", "no report"],
)
async def test_no_lead(ruled: House, body: bytes) -> None:
    await ruled.told(body)

    assert [] == await leads_of(ruled)


async def test_a_described_problem_is_a_lead_even_if_nobody_was_heard(ruled: House) -> None:
    await ruled.told(
        report("c-1", ended_reason="silence-timed-out", structured_data={"description": "Refoulement"})
    )

    assert 1 == len(await leads_of(ruled))


async def test_callers_without_a_number_get_a_lead_each(ruled: House) -> None:
    bodies = [
        report(name, lines=FLOODED).replace(b'"number": "+15145550101"', b'"number": ""')
        for name in ("c-1", "c-2")
    ]
    await ruled.told(*bodies)

    assert 2 == len(await leads_of(ruled))


async def test_people_change_leads_under_a_guard(ruled: House) -> None:
    await ruled.told(report("c-1", lines=FLOODED))
    [row] = await leads_of(ruled)
    leads, lead_id = ruled.leads, row["id"]

    changed = await leads.update(
        ORG, lead_id, etag="1", changes={"status": "CONTACTED", "notes": "called back"}
    )

    assert ("CONTACTED", "called back", 2) == (changed.status, changed.notes, changed.version)
    assert ["lead.created", "lead.updated"] == await ruled.events(str(lead_id))
    with pytest.raises(EtagMismatch):
        await leads.update(ORG, lead_id, etag="1", changes={"notes": "too late"})
    with pytest.raises(LeadNotFound):
        await leads.update(OTHER_ORG, lead_id, etag="", changes={"notes": "not yours"})
    await leads.update(ORG, lead_id, etag="", changes={"status": "LOST"})
    with pytest.raises(LeadStatusConflict):
        await leads.update(ORG, lead_id, etag="", changes={"notes": "too late"})


async def test_a_call_that_comes_in_holds_a_line_until_it_ends(ruled: House) -> None:
    await Accounts(ruled.request_pool).create(
        org_id=ORG, name="main", provider="vapi", line_count=2, inbound_reserve=0
    )

    async def in_use() -> int:
        rows = await ruled.database.fetch("SELECT count(*) FROM calls.lines WHERE call_id IS NOT NULL")
        return int(rows[0]["count"])

    await ruled.told(*(status_update(f"c-{number}", "ringing", at=0) for number in range(3)))
    assert 2 == await in_use()
    await ruled.told(*(status_update(f"c-{number}", "ended", at=9) for number in range(3)))
    assert 0 == await in_use()


async def test_a_lead_can_be_entered_and_is_judged_by_the_rules(ruled: House) -> None:
    """RU-6: one that no call opened has every field, a priority, a clock and its event."""
    new = NewLead(
        customer_number="514 555-0101",
        customer_name="Jean",
        customer_email="Jean@Exemple.ca",
        service_type="Drain français",
        address="12 rue A",
        city="Laval",
        postal_code="h2x1y4",
        problem_description="Refoulement d'égout",
        estimated_value=900,
        notes="by mail",
        source="website",
        assigned_to="ann",
    )

    lead = await ruled.leads.create(ORG, new)

    assert lead == await ruled.leads.get(ORG, lead.id)
    assert ("+15145550101", "jean@exemple.ca", "H2X 1Y4", "drain_francais") == (
        lead.customer_number,
        lead.customer_email,
        lead.postal_code,
        lead.service_type,
    )
    assert ("P1", "urgence_immediate", 0, lead.created_at) == (
        lead.priority,
        lead.priority_reason,
        lead.sla_seconds,
        lead.sla_due_at,
    )
    assert (None, None, "NEW") == (lead.call_id, lead.last_call_id, lead.status)
    assert ["lead.created"] == await ruled.events(str(lead.id))


async def test_a_chosen_priority_has_the_seconds_of_its_rule(ruled: House) -> None:
    """RU-6: urgency P1 to P4 may be given."""
    lead = await ruled.leads.create(ORG, NewLead(priority=Priority.P2))
    unruled = await ruled.leads.create(OTHER_ORG, NewLead(priority=Priority.P2))

    assert [("P2", "chosen", 120), ("P2", "chosen", 86_400)] == [
        (one.priority, one.priority_reason, one.sla_seconds) for one in (lead, unruled)
    ]


async def test_a_second_open_lead_of_a_customer_and_problem_is_refused_by_name(ruled: House) -> None:
    """RU-6: one open lead per caller and problem, however it comes."""
    await ruled.told(report("c-1", lines=FLOODED, structured_data={"serviceType": "gainage"}))
    [row] = await leads_of(ruled)
    again = NewLead(customer_number="+15145550101", service_type="Gainage")

    with pytest.raises(LeadAlreadyOpen) as refused:
        await ruled.leads.create(ORG, again)

    assert {"lead_id": str(row["id"])} == refused.value.metadata
    await ruled.leads.update(ORG, row["id"], etag="", changes={"status": "LOST"})
    assert "NEW" == (await ruled.leads.create(ORG, again)).status


async def test_a_call_about_an_entered_lead_updates_it(ruled: House) -> None:
    """RU-6: a repeat call updates the open lead."""
    lead = await ruled.leads.create(ORG, NewLead(customer_number="+15145550101", priority=Priority.P4))

    await ruled.told(report("c-1", lines=FLOODED, structured_data={"nom": "Jean"}))

    after = await ruled.leads.get(ORG, lead.id)
    call = await ruled.call("c-1")
    assert (None, call["id"], "Jean", "P1") == (
        after.call_id,
        after.last_call_id,
        after.customer_name,
        after.priority,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("customer_number", "12"), ("customer_email", "nowhere"), ("postal_code", "D1A 1A1")],
)
async def test_data_that_cannot_be_right_is_refused_by_field(house: House, field: str, value: Any) -> None:
    """IN-9: e-mail, postal code and phone are validated where people enter them, too."""
    with pytest.raises(InvalidArgument) as refused:
        await house.leads.create(ORG, NewLead(**{field: value}))

    assert [field] == [violation.field for violation in refused.value.violations]


async def test_a_lead_of_anothers_call_is_refused(ruled: House) -> None:
    """RU-6: leads belong to calls of their own organization."""
    await ruled.told(report("c-1", lines=FLOODED))
    call = await ruled.call("c-1")

    with pytest.raises(CallNotFound):
        await ruled.leads.create(OTHER_ORG, NewLead(call_id=call["id"]))


async def test_leads_are_listed_by_status_priority_person_and_lateness(ruled: House) -> None:
    """RU-6: what people filter by."""
    names = {
        (await ruled.leads.create(ORG, new)).id: new.service_type
        for new in (
            NewLead(service_type="late", problem_description="inondation", assigned_to="ann"),
            NewLead(service_type="calm", assigned_to="bob"),
            NewLead(service_type="taken", problem_description="inondation"),
        )
    }
    taken = next(lead_id for lead_id, name in names.items() if name == "taken")
    await ruled.leads.update(ORG, taken, etag="", changes={"status": "CONTACTED"})

    async def listed(**filters: Any) -> set[str]:
        wanted = {"status": None, "priority": None, "assigned_to": None, "overdue": False} | filters
        return {names[lead.id] for lead in await ruled.leads.list(ORG, **wanted, before=None, limit=10)}

    assert {"late", "calm", "taken"} == await listed()
    assert {"late", "calm"} == await listed(status="NEW")
    assert {"late", "taken"} == await listed(priority="P1")
    assert {"calm"} == await listed(assigned_to="bob")
    assert {"late"} == await listed(overdue=True)
    assert set() == await listed(overdue=True, assigned_to="bob")
