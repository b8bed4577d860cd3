"""Leads: opened by calls, kept up to date by calls and people."""

from typing import Any

import pytest

from libs.errors import EtagMismatch
from services.calls.errors import LeadNotFound, LeadStatusConflict
from services.calls.operations.accounts import Accounts
from services.calls.operations.leads import Leads
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
    leads, lead_id = Leads(ruled.request_pool), row["id"]

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
