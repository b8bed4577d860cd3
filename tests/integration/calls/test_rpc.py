"""The service over its sockets."""

import json
from typing import Any
from uuid import uuid4

import pytest

from callplane.calls.v2 import calls_pb2, intake_pb2, leads_pb2, rules_pb2
from libs.rpc import convert
from tests.integration.calls.harness import OTHER_ORG, Service, find_call, reason_of, serving
from tests.support.postgres import Database
from tests.support.vapi_messages import (
    NASTY,
    report,
    said,
    status_update,
)
from tests.support.waiting import eventually

PACK = "drain_cleaning_quebec"


async def test_the_record_of_a_call(told: Service) -> None:
    metadata, call = told.as_org(), await find_call(told, "c-1")

    assert call == await told.calls.GetCall(calls_pb2.GetCallRequest(id=call.id), metadata=metadata)
    assert ("0.1235", 55.0, calls_pb2.Call.P1, calls_pb2.CallOutcome.HUMAN) == (
        call.cost_usd,
        call.duration_seconds,
        call.priority,
        call.outcome,
    )
    assert not call.HasField("placement")
    assert 0.12345 == call.cost_breakdown["total"]
    assert "Jean Tremblay" == convert.to_dict(call.analysis)["structuredData"]["nom"]

    transcript = await told.calls.GetTranscript(
        calls_pb2.GetTranscriptRequest(call_id=call.id), metadata=metadata
    )
    assert (4, True) == (len(transcript.lines), transcript.complete)
    assert calls_pb2.TranscriptLine.USER == transcript.lines[2].role

    tools = await told.calls.ListToolCalls(calls_pb2.ListToolCallsRequest(call_id=call.id), metadata=metadata)
    assert ["calculateQuote", "classifyPriority"] == [tool.name for tool in tools.tool_calls]
    assert {"min": 425, "max": 650} == {
        key: value for key, value in json.loads(tools.tool_calls[0].result).items() if key in ("min", "max")
    }
    assert all(tool.status == calls_pb2.ToolCall.SUCCEEDED for tool in tools.tool_calls)


async def test_events_page_by_page(told: Service) -> None:
    call, token, types = await find_call(told, "c-1"), "", []
    while True:
        request = calls_pb2.ListCallEventsRequest(call_id=call.id, page_size=3, page_token=token)
        page = await told.calls.ListCallEvents(request, metadata=told.as_org())
        assert len(page.events) <= 3
        types += [event.type for event in page.events]
        token = page.next_page_token
        if not token:
            break

    assert 10 == len(types)
    assert ["status-update", "status-update", "speech-update"] == types[:3]
    assert ["status-update", "end-of-call-report"] == types[-2:]


async def test_calls_page_by_page_and_filtered(service: Service) -> None:
    await service.ingest(*(status_update(f"c-{number}", "ringing", at=0) for number in range(7)))
    await service.ingest(status_update("c-3", "in-progress", at=1))
    await find_call(service, "c-3", status=calls_pb2.Call.IN_PROGRESS)

    names, token = [], ""
    while True:
        request = calls_pb2.ListCallsRequest(page_size=3, page_token=token)
        page = await service.calls.ListCalls(request, metadata=service.as_org())
        names += [call.provider_call_id for call in page.calls]
        token = page.next_page_token
        if not token:
            break
    filtered = await service.calls.ListCalls(
        calls_pb2.ListCallsRequest(
            status=calls_pb2.Call.IN_PROGRESS,
            direction=calls_pb2.Call.INBOUND,
            customer_number="+15145550101",
        ),
        metadata=service.as_org(),
    )
    none = await service.calls.ListCalls(
        calls_pb2.ListCallsRequest(priority=calls_pb2.Call.P1, campaign_id="x"), metadata=service.as_org()
    )

    assert [f"c-{number}" for number in range(7)] == sorted(names)
    assert ["c-3"] == [call.provider_call_id for call in filtered.calls]
    assert not none.calls


@pytest.mark.parametrize("token", ["x", "!!", "W10", "WyJhIiwiYiJd", "WyIyMDI1LTAxLTAxIiwiYiJd"])
async def test_page_tokens_of_nobody_are_refused(service: Service, token: str) -> None:
    request = calls_pb2.ListCallsRequest(page_token=token)

    assert "INVALID_PAGE_TOKEN" == await reason_of(
        service.calls.ListCalls(request, metadata=service.as_org())
    )


async def test_another_organization_sees_nothing(told: Service) -> None:
    call, theirs = await find_call(told, "c-1"), told.as_org(OTHER_ORG)
    leads = await told.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=told.as_org())
    lead_id = leads.leads[0].id
    rules = await told.rules.ListPriorityRules(rules_pb2.ListPriorityRulesRequest(), metadata=told.as_org())
    events = await told.ledger.ListProviderEvents(
        intake_pb2.ListProviderEventsRequest(), metadata=told.as_org()
    )

    asked: dict[str, list[Any]] = {
        "CALL_NOT_FOUND": [
            told.calls.GetCall(calls_pb2.GetCallRequest(id=call.id), metadata=theirs),
            told.calls.ListCallEvents(calls_pb2.ListCallEventsRequest(call_id=call.id), metadata=theirs),
            told.calls.GetTranscript(calls_pb2.GetTranscriptRequest(call_id=call.id), metadata=theirs),
            told.calls.ListToolCalls(calls_pb2.ListToolCallsRequest(call_id=call.id), metadata=theirs),
            told.calls.CancelCall(calls_pb2.CancelCallRequest(id=call.id), metadata=theirs),
        ],
        "LEAD_NOT_FOUND": [
            told.leads.GetLead(leads_pb2.GetLeadRequest(id=lead_id), metadata=theirs),
            told.leads.UpdateLead(leads_pb2.UpdateLeadRequest(id=lead_id, notes="x"), metadata=theirs),
        ],
        "RULE_NOT_FOUND": [
            told.rules.UpdatePriorityRule(
                rules_pb2.UpdatePriorityRuleRequest(id=rules.priority_rules[0].id, active=False),
                metadata=theirs,
            ),
            told.rules.DeletePriorityRule(
                rules_pb2.DeletePriorityRuleRequest(id=rules.priority_rules[0].id), metadata=theirs
            ),
        ],
        "PROVIDER_EVENT_NOT_FOUND": [
            told.ledger.ReplayProviderEvents(
                intake_pb2.ReplayProviderEventsRequest(ids=[events.provider_events[0].id]), metadata=theirs
            ),
        ],
    }
    for reason, refused in asked.items():
        assert [reason] * len(refused) == [await reason_of(one) for one in refused]
    assert not (await told.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=theirs)).calls
    assert not (await told.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=theirs)).leads
    listed = await told.ledger.ListProviderEvents(intake_pb2.ListProviderEventsRequest(), metadata=theirs)
    assert not listed.provider_events


async def test_unknown_ids(service: Service) -> None:
    request = calls_pb2.GetCallRequest(id=str(uuid4()))

    assert "CALL_NOT_FOUND" == await reason_of(service.calls.GetCall(request, metadata=service.as_org()))
    malformed = calls_pb2.GetCallRequest(id="x")
    assert "INVALID_ARGUMENT" == await reason_of(service.calls.GetCall(malformed, metadata=service.as_org()))


async def test_scopes_are_enforced(service: Service) -> None:
    readers = service.as_org(scopes=["leads:read"])

    assert "MISSING_SCOPE" == await reason_of(
        service.calls.ListCalls(calls_pb2.ListCallsRequest(), metadata=readers)
    )
    assert "UNAUTHENTICATED" == await reason_of(service.calls.ListCalls(calls_pb2.ListCallsRequest()))


@pytest.mark.parametrize(
    ("request_fields", "expected"),
    [
        ({"service_type": "debouchage"}, (350, 650)),
        ({"service_type": "Débouchage", "location": "rive_sud", "urgency": True}, (525, 788)),
        ({"service_type": "sous_dalle", "complexity": "very_complex"}, (560, 1000)),
        ({"service_type": "installation_cheminee", "complexity": "complex"}, (3250, 4875)),
        ({}, (350, 525)),
    ],
)
async def test_quotes(told: Service, request_fields: dict[str, Any], expected: tuple[int, int]) -> None:
    found = await told.rules.Quote(rules_pb2.QuoteRequest(**request_fields), metadata=told.as_org())

    assert (*expected, "CAD") == (found.min, found.max, found.currency)
    assert found.min == sum(item.amount for item in found.items)
    assert str(found.max) in found.message


async def test_classification(told: Service) -> None:
    request = rules_pb2.ClassifyRequest(description="Refoulement d'égout", estimated_value=10)
    found = await told.rules.Classify(request, metadata=told.as_org())

    assert (calls_pb2.Call.P1, "urgence_immediate", 0) == (found.priority, found.reason, found.sla_seconds)


async def test_rules_are_kept_by_their_organization(service: Service) -> None:
    metadata = service.as_org(scopes=["rules:read", "rules:write"])
    request = rules_pb2.InstallRulePackRequest(name=PACK)
    assert [36, 0] == [
        (await service.rules.InstallRulePack(request, metadata=metadata)).added for _ in range(2)
    ]
    unknown = rules_pb2.InstallRulePackRequest(name="plumbing")
    assert "RULE_PACK_NOT_FOUND" == await reason_of(service.rules.InstallRulePack(unknown, metadata=metadata))

    rule = rules_pb2.PriorityRule(
        name="vip", position=1, active=True, keywords=["maire"], priority=calls_pb2.Call.P1, reason="vip"
    )
    creation = rules_pb2.CreatePriorityRuleRequest(rule=rule)
    created = await service.rules.CreatePriorityRule(creation, metadata=metadata)
    assert "NAME_TAKEN" == await reason_of(service.rules.CreatePriorityRule(creation, metadata=metadata))

    judged = await service.rules.Classify(
        rules_pb2.ClassifyRequest(description="Ici le MAIRE"), metadata=metadata
    )
    assert "vip" == judged.reason
    await service.rules.UpdatePriorityRule(
        rules_pb2.UpdatePriorityRuleRequest(id=created.id, active=False), metadata=metadata
    )
    judged = await service.rules.Classify(
        rules_pb2.ClassifyRequest(description="Ici le MAIRE"), metadata=metadata
    )
    assert "standard" == judged.reason

    listed = await service.rules.ListPriorityRules(
        rules_pb2.ListPriorityRulesRequest(page_size=2), metadata=metadata
    )
    assert ["vip", "urgence_immediate"] == [one.name for one in listed.priority_rules]
    rest = await service.rules.ListPriorityRules(
        rules_pb2.ListPriorityRulesRequest(page_token=listed.next_page_token), metadata=metadata
    )
    assert ["municipal", "high_value", "standard"] == [one.name for one in rest.priority_rules]
    await service.rules.DeletePriorityRule(
        rules_pb2.DeletePriorityRuleRequest(id=created.id), metadata=metadata
    )
    prices = await service.rules.ListPricingRules(
        rules_pb2.ListPricingRulesRequest(page_size=5), metadata=metadata
    )
    others = await service.rules.ListPricingRules(
        rules_pb2.ListPricingRulesRequest(page_token=prices.next_page_token), metadata=metadata
    )
    assert 8 == len(prices.pricing_rules) + len(others.pricing_rules)


async def test_leads_over_rpc(told: Service) -> None:
    metadata = told.as_org(scopes=["leads:read", "leads:write"])
    [lead] = (await told.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=metadata)).leads

    changed = await told.leads.UpdateLead(
        leads_pb2.UpdateLeadRequest(
            id=lead.id, etag=lead.etag, status=leads_pb2.Lead.QUOTED, estimated_value=0
        ),
        metadata=metadata,
    )

    assert (leads_pb2.Lead.QUOTED, 0) == (changed.status, changed.estimated_value)
    assert changed == await told.leads.GetLead(leads_pb2.GetLeadRequest(id=lead.id), metadata=metadata)
    stale = leads_pb2.UpdateLeadRequest(id=lead.id, etag=lead.etag, notes="x")
    assert "ETAG_MISMATCH" == await reason_of(told.leads.UpdateLead(stale, metadata=metadata))
    none = leads_pb2.ListLeadsRequest(status=leads_pb2.Lead.NEW)
    assert not (await told.leads.ListLeads(none, metadata=metadata)).leads


async def test_the_ledger_shows_what_became_of_each_webhook(service: Service) -> None:
    metadata = service.as_org()
    await service.ingest(b"not json", status_update("c-1", "ringing", at=0))
    await find_call(service, "c-1")

    async def listed(state: int = 0) -> list[intake_pb2.ProviderEvent]:
        request = intake_pb2.ListProviderEventsRequest(state=state)  # type: ignore[arg-type]
        return list((await service.ledger.ListProviderEvents(request, metadata=metadata)).provider_events)

    [unparsed] = await listed(intake_pb2.ProviderEvent.UNPARSED)
    [folded] = await listed(intake_pb2.ProviderEvent.FOLDED)
    assert ("NOT_JSON", "", 8) == (unparsed.reason, unparsed.type, unparsed.size_bytes)
    assert ("status-update", "c-1") == (folded.type, folded.provider_call_id)
    assert (await find_call(service, "c-1")).id == folded.call_id
    assert [] == await listed(intake_pb2.ProviderEvent.PENDING)
    assert [folded.id, unparsed.id] == [one.id for one in await listed()] or 2 == len(await listed())

    by_id = intake_pb2.ReplayProviderEventsRequest(ids=[unparsed.id, folded.id])
    assert 2 == (await service.ledger.ReplayProviderEvents(by_id, metadata=metadata)).queued
    by_type = intake_pb2.ReplayProviderEventsRequest(type="status-update")
    assert (await service.ledger.ReplayProviderEvents(by_type, metadata=metadata)).queued <= 1
    everything = service.ledger.ReplayProviderEvents(
        intake_pb2.ReplayProviderEventsRequest(), metadata=metadata
    )
    assert "INVALID_ARGUMENT" == await reason_of(everything)


@pytest.mark.parametrize(("body", "name"), [("depth 900", "nasty-d"), ("a thousand digits", "nasty-k")])
async def test_unusual_payloads_can_be_read(service: Service, body: str, name: str) -> None:
    await service.ingest(NASTY[body])
    call = await find_call(service, name)

    request = calls_pb2.ListCallEventsRequest(call_id=call.id)
    [event] = (await service.calls.ListCallEvents(request, metadata=service.as_org())).events
    assert "hang" == event.type


async def test_a_lead_that_nobody_takes_up_is_overdue_and_then_breached(database: Database) -> None:
    """RU-6: the clock runs by itself and the API shows it."""
    async with serving(database, lead_clock_seconds=0.1) as service:
        request = leads_pb2.CreateLeadRequest(
            customer_number="514 555-0101", priority=calls_pb2.Call.P1, estimated_value=700, source="website"
        )
        lead = await service.leads.CreateLead(request, metadata=service.as_org())
        assert ("+15145550101", 700, "website", "", leads_pb2.Lead.NEW) == (
            lead.customer_number,
            lead.estimated_value,
            lead.source,
            lead.call_id,
            lead.status,
        )
        assert not lead.HasField("sla_breached_at")
        assert "LEAD_ALREADY_OPEN" == await reason_of(
            service.leads.CreateLead(request, metadata=service.as_org())
        )
        await database.execute("UPDATE calls.leads SET sla_due_at = now() - interval '1 hour'")

        async def breached() -> leads_pb2.Lead | None:
            found = await service.leads.GetLead(
                leads_pb2.GetLeadRequest(id=lead.id), metadata=service.as_org()
            )
            return found if found.HasField("sla_breached_at") else None

        await eventually(breached)
        listed = await service.leads.ListLeads(
            leads_pb2.ListLeadsRequest(overdue=True), metadata=service.as_org()
        )
        theirs = await service.leads.ListLeads(
            leads_pb2.ListLeadsRequest(overdue=True), metadata=service.as_org(OTHER_ORG)
        )
        assert ([lead.id], []) == ([one.id for one in listed.leads], list(theirs.leads))


async def test_a_transcript_has_its_lines_and_what_is_known_about_them(service: Service) -> None:
    """IN-6: role, words, confidence, times and metadata of each line; summary, sentiment, topics, steps."""
    lines = [
        said("system", "Be kind.", at=0),
        said("bot", "Bonjour!", at=1.5) | {"duration": 900, "endTime": 1_763_020_002_400, "source": "model"},
        said("user", "Inondation!", at=6) | {"metadata": {"confidence": 0.97}},
        {"role": "tool_call_result", "name": "calculateQuote", "toolCallId": "call_1", "result": "425"},
    ]
    analysis = {
        "summary": "A flood.",
        "sentiment": "worried",
        "structuredData": {"keyTopics": ["flood"], "nextSteps": ["Send somebody"]},
    }
    await service.ingest(report("c-1", lines=lines, analysis=analysis))
    call = await find_call(service, "c-1", status=calls_pb2.Call.ENDED)

    found = await service.calls.GetTranscript(
        calls_pb2.GetTranscriptRequest(call_id=call.id), metadata=service.as_org()
    )

    role = calls_pb2.TranscriptLine
    assert [
        (role.SYSTEM, "Be kind."),
        (role.ASSISTANT, "Bonjour!"),
        (role.USER, "Inondation!"),
        (role.TOOL, "425"),
    ] == [(line.role, line.message) for line in found.lines]
    assert (0.97, 6.0) == (round(found.lines[2].confidence, 5), found.lines[2].seconds_from_start)
    assert {"duration": 900, "endTime": 1_763_020_002_400, "source": "model"} == convert.to_dict(
        found.lines[1].metadata
    )
    assert {"name": "calculateQuote", "toolCallId": "call_1"} == convert.to_dict(found.lines[3].metadata)
    assert ("A flood.", "worried", ["flood"], ["Send somebody"], True) == (
        found.summary,
        found.sentiment,
        list(found.key_topics),
        list(found.next_steps),
        found.complete,
    )
