"""What the assistant's tools do for the caller, whatever the model sends along."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callplane.calls.v2 import calls_pb2, leads_pb2, rules_pb2, transfers_pb2
from callplane.events.v1 import events_pb2
from libs.rpc import convert
from tests.integration.calls.harness import ORG, OTHER_ORG, Service
from tests.support.postgres import Database
from tests.support.vapi_messages import (
    CUSTOMER,
    FLOODED,
    message,
    report,
    status_update,
    tool_calls,
    tool_use,
)
from tests.support.waiting import eventually

Destination = transfers_pb2.TransferDestination
STRANGER = "+19005550100"


@pytest.fixture
async def ruled(service: Service) -> Service:
    request = rules_pb2.InstallRulePackRequest(name="drain_cleaning_quebec")
    await service.rules.InstallRulePack(request, metadata=service.as_org())
    return service


async def use(
    service: Service, name: str, arguments: Any, *, call: str = "c-1", id_: str = "call_1", **fields: Any
) -> Any:
    """The result of one tool, or the words of its error."""
    body = await service.answer(tool_calls(call, tool_use(id_, name, arguments), **fields))
    [answered] = json.loads(body)["results"]
    assert (name, id_) == (answered["name"], answered["toolCallId"])
    told = answered.get("result", answered.get("error"))
    assert "\n" not in told
    return json.loads(told) if "result" in answered else told


async def leads(service: Service) -> list[leads_pb2.Lead]:
    listed = await service.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=service.as_org())
    return list(listed.leads)


async def told_others(database: Database, kind: str) -> list[Any]:
    rows = await database.fetch(
        "SELECT data FROM calls.outbox WHERE type = $1 ORDER BY xid, position", f"callplane.{kind}.v1"
    )
    found = []
    for row in rows:
        packed = events_pb2.Event.FromString(b"").data
        packed.ParseFromString(row["data"])
        data = getattr(events_pb2, packed.TypeName().rpartition(".")[2])()
        assert packed.Unpack(data)
        found.append(data)
    return found


async def destination(service: Service, name: str, address: str, **fields: Any) -> None:
    told = Destination(name=name, address=address, **{"kind": Destination.NUMBER, "active": True, **fields})
    await service.transfers.CreateTransferDestination(
        transfers_pb2.CreateTransferDestinationRequest(destination=told), metadata=service.as_org()
    )


LEAD = {
    "name": "Jean Tremblay",
    "email": "jean@exemple.ca",
    "postalCode": "h2x1y4",
    "serviceType": "Débouchage",
    "description": "Refoulement dans la cave",
    "estimatedValue": "450 $",
}


async def test_a_lead_is_opened_while_the_caller_talks(ruled: Service, database: Database) -> None:
    """RU-5: createLead opens the one lead of caller and problem; a number among the arguments is ignored."""
    opened = await use(ruled, "createLead", {**LEAD, "phone": STRANGER, "notes": "chien méchant"})
    again = await use(ruled, "createLead", {**LEAD, "address": "12 rue A"}, id_="call_2")

    [lead] = await leads(ruled)
    assert (lead.id, True, "P1") == (opened["leadId"], opened["created"], opened["priority"])
    assert (lead.id, False) == (again["leadId"], again["created"])
    assert (CUSTOMER, "debouchage", "H2X 1Y4", "12 rue A", 450, "chien méchant") == (
        lead.customer_number,
        lead.service_type,
        lead.postal_code,
        lead.address,
        lead.estimated_value,
        lead.notes,
    )
    assert calls_pb2.Call.P1 == lead.priority
    assert ["NEW"] == [one.lead.status for one in await told_others(database, "lead.created")]
    assert opened["message"].startswith("Votre demande")


async def test_the_end_of_the_call_completes_the_lead_that_a_tool_opened(ruled: Service) -> None:
    await ruled.ingest(status_update("c-1", "in-progress", at=5))
    opened = await use(ruled, "createLead", {"description": "Un drain lent"})
    assert "P4" == opened["priority"]
    await ruled.ingest(
        status_update("c-1", "ended", at=60), report("c-1", lines=FLOODED, summary="Inondation.")
    )

    async def completed() -> bool:
        return [calls_pb2.Call.P1] == [lead.priority for lead in await leads(ruled)]

    await eventually(completed)
    [lead] = await leads(ruled)
    assert (opened["leadId"], "Un drain lent") == (lead.id, lead.problem_description)


async def test_a_refused_service_opens_no_lead(ruled: Service) -> None:
    """RU-3: and the caller hears why."""
    said = await use(ruled, "createLead", {"serviceType": "fosse septique", "description": "à vider"})

    assert said.startswith("Désolé, nous n'offrons pas")
    assert [] == await leads(ruled)


async def test_people_on_call_are_alerted_and_nobody_else(ruled: Service, database: Database) -> None:
    """RU-5: sendSMSAlert names no recipient; whom to text is the organization's policies' to say."""
    arguments = {"message": "Cave inondée", "to": STRANGER, "recipients": [STRANGER], "phone": STRANGER}
    answered = await use(ruled, "sendSMSAlert", arguments)

    [wish] = await told_others(database, "alert.requested")
    [lead] = await leads(ruled)
    assert ("P1", "Cave inondée", lead.id, CUSTOMER) == (
        wish.priority,
        wish.message,
        wish.lead.id,
        wish.lead.customer_number,
    )
    assert (True, "P1") == (answered["alerted"], answered["priority"])
    assert STRANGER.encode() not in wish.SerializeToString()
    second = await use(ruled, "sendSMSAlert", {"message": "x", "priority": "p2"}, id_="call_2")
    assert "P2" == second["priority"]


async def test_a_callback_stands_on_the_lead_and_is_told(ruled: Service, database: Database) -> None:
    """RU-5: scheduleCallback; a time without an offset is the organization's own."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
    answered = await use(
        ruled, "scheduleCallback", {"time": tomorrow.isoformat(), "reason": "prix", "phone": STRANGER}
    )

    [lead] = await leads(ruled)
    [wish] = await told_others(database, "callback.requested")
    assert tomorrow == convert.moment(lead.follow_up_at) == convert.moment(wish.call_back_at)
    assert tomorrow == datetime.fromisoformat(answered["callBackAt"])
    assert (lead.id, CUSTOMER) == (wish.lead.id, wish.lead.customer_number)
    local = await use(ruled, "scheduleCallback", {"time": f"{tomorrow:%Y-%m-%d}T09:30"}, id_="call_2")
    assert local["callBackAt"] in (f"{tomorrow:%Y-%m-%d}T09:30-05:00", f"{tomorrow:%Y-%m-%d}T09:30-04:00")


async def test_an_opt_out_is_of_the_caller_only(ruled: Service, database: Database) -> None:
    """RU-5: recordOptOut."""
    answered = await use(ruled, "recordOptOut", {"channel": "sms", "phoneNumber": STRANGER})
    await use(ruled, "recordOptOut", {}, id_="call_2")

    told = await told_others(database, "opt_out.recorded")
    assert [(CUSTOMER, "SMS"), (CUSTOMER, "ALL")] == [(one.phone_number, one.channel) for one in told]
    assert (True, "SMS") == (answered["recorded"], answered["channel"])
    assert [] == await leads(ruled)


async def test_a_call_is_transferred_to_places_on_the_list_only(ruled: Service) -> None:
    """RU-5: transferCall chooses by name; the provider then asks for the address."""
    request = message("transfer-destination-request", "c-1", at=30)
    nobody = await use(ruled, "transferCall", {"destination": STRANGER, "number": STRANGER})
    assert "There is nobody to transfer this call to." == nobody
    assert "error" in json.loads(await ruled.answer(request))
    await destination(ruled, "Bureau", "+15145550170", position=1)
    await destination(ruled, "De garde", "+15145550171", position=2, message_fr="Je vous passe Marc.")
    await destination(ruled, "Vieux", "+15145550172", active=False)

    refused = await use(ruled, "transferCall", {"destination": STRANGER}, id_="call_2")
    chosen = await use(ruled, "transferCall", {"destination": "DE GARDE"}, id_="call_3")

    assert "destination must be one of Bureau, De garde." == refused
    assert {"transfer": True, "destination": "De garde", "message": "Je vous passe Marc."} == chosen
    asked = json.loads(await ruled.answer(message("transfer-destination-request", "c-1", at=31)))
    assert {
        "destination": {"type": "number", "number": "+15145550171", "message": "Je vous passe Marc."}
    } == asked
    other = json.loads(await ruled.answer(message("transfer-destination-request", "c-2", at=31)))
    assert "+15145550170" == other["destination"]["number"]


async def test_a_sip_address_is_told_as_the_provider_wants_it(ruled: Service) -> None:
    await destination(ruled, "Bureau", "sip:desk@pbx.example.com", kind=Destination.SIP)

    answered = json.loads(await ruled.answer(message("transfer-destination-request", "c-1", at=30)))

    assert ("sip", "sip:desk@pbx.example.com") == (
        answered["destination"]["type"],
        answered["destination"]["sipUri"],
    )


async def test_another_organization_has_nobody_to_transfer_to(ruled: Service) -> None:
    await destination(ruled, "Bureau", "+15145550170")
    request = message("transfer-destination-request", "c-1", at=30)

    assert "error" in json.loads(await ruled.answer(request, org_id=OTHER_ORG))


async def test_each_tool_runs_once_per_call_and_id(ruled: Service, database: Database) -> None:
    """RU-5: also at the same moment; a repeat gets the first answer."""
    body = tool_calls("c-1", tool_use("call_1", "createLead", LEAD), tool_use("call_2", "recordOptOut", {}))
    answers = await asyncio.gather(*(ruled.answer(body) for _ in range(6)))

    assert 1 == len(set(answers))
    assert 1 == len(await leads(ruled))
    assert 1 == len(await told_others(database, "opt_out.recorded"))
    rows = await database.fetch("SELECT id FROM calls.calls")
    assert 1 == len(rows)


async def test_callers_of_the_same_moment_share_their_lead(ruled: Service) -> None:
    answers = await asyncio.gather(
        *(use(ruled, "createLead", LEAD, call=f"c-{number}") for number in range(4))
    )

    assert 1 == len({one["leadId"] for one in answers}) == len(await leads(ruled))


async def test_a_call_that_a_tool_made_known_is_told_like_any_other(
    ruled: Service, database: Database
) -> None:
    await use(ruled, "createLead", LEAD)
    await ruled.ingest(status_update("c-1", "in-progress", at=5))

    async def started() -> list[Any]:
        return await told_others(database, "call.started")

    [told] = await eventually(started)
    assert (ORG, CUSTOMER) == (ORG, told.call.customer_number)
    [call] = (await ruled.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=ruled.as_org())).calls
    assert ("Jean Tremblay", "debouchage") == (call.customer_name, call.service_type)


BAD: list[tuple[str, Any]] = [
    ("createLead", {}),
    ("createLead", {"description": ["x"]}),
    ("createLead", {"description": "x", "email": "not an address"}),
    ("createLead", {"description": "x", "postalCode": "DROP TABLE"}),
    ("createLead", {"description": "x", "estimatedValue": [1]}),
    ("createLead", "[1]"),
    ("createLead", '{"description": '),
    ("sendSMSAlert", {}),
    ("sendSMSAlert", {"message": 5}),
    ("sendSMSAlert", {"message": "x", "priority": "P0"}),
    ("scheduleCallback", {}),
    ("scheduleCallback", {"time": "soon"}),
    ("scheduleCallback", {"time": "2001-01-01T00:00:00Z"}),
    ("scheduleCallback", {"time": "9999-12-31T23:59:59-14:00"}),
    ("scheduleCallback", {"time": "0001-01-01T00:00:00+14:00"}),
    ("scheduleCallback", {"time": {"at": 1}}),
    ("transferCall", {"destination": 5}),
    ("recordOptOut", {"channel": "email"}),
    ("recordOptOut", {"channel": 5}),
    ("dropTables", {}),
    ("", {}),
    ("two\nlines", {}),
]


async def test_bad_arguments_are_answered_with_words_and_do_nothing(
    ruled: Service, database: Database
) -> None:
    """RU-5: the arguments are untrusted; what is wrong with them is said, and none of them is repeated."""
    for number, (name, arguments) in enumerate(BAD):
        body = tool_calls("c-1", tool_use(f"call_{number}", name, arguments))
        [answered] = json.loads(await ruled.answer(body))["results"]
        assert answered["error"], (name, arguments)
        assert "\n" not in answered["error"]

    assert [] == await leads(ruled)
    rows = await database.fetch("SELECT type FROM calls.outbox WHERE type NOT LIKE 'callplane.call.%'")
    assert [] == list(rows)


async def test_without_a_caller_s_number_there_is_nobody_to_call_back(ruled: Service) -> None:
    number = {"number": "anonymous"}
    body = json.loads(tool_calls("c-1", tool_use("call_1", "recordOptOut", {})))
    body["message"] |= {"customer": number, "call": {**body["message"]["call"], "customer": number}}

    [answered] = json.loads(await ruled.answer(json.dumps(body).encode()))["results"]

    assert "number is not known" in answered["error"]


async def test_a_number_that_the_caller_tells_is_nobody_s_to_opt_out(
    ruled: Service, database: Database
) -> None:
    """RU-5: bound to the call, also where the network shows no number and a model offers one."""
    body = json.loads(
        tool_calls(
            "c-1",
            tool_use("call_1", "createLead", {"description": "x", "phone": STRANGER}),
            tool_use("call_2", "recordOptOut", {}),
            tool_use("call_3", "scheduleCallback", {"time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}),
        )
    )
    body["message"]["customer"] = body["message"]["call"]["customer"] = None

    _, *refused = json.loads(await ruled.answer(json.dumps(body).encode()))["results"]

    assert ["The caller's number is not known, so this cannot be done."] * 2 == [
        one["error"] for one in refused
    ]
    assert [] == await told_others(database, "opt_out.recorded")


async def test_the_predecessor_of_tool_calls_runs_once_too(ruled: Service, database: Database) -> None:
    body = message("function-call", "c-1", at=9, functionCall={"name": "recordOptOut", "parameters": {}})
    first, again = await ruled.answer(body), await ruled.answer(body)

    assert first == again
    assert json.loads(json.loads(first)["result"])["recorded"]
    assert 1 == len(await told_others(database, "opt_out.recorded"))
