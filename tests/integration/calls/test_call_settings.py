"""What an organization decides about its calls, and what its record then holds."""

from typing import Any

import pytest

from callplane.calls.v2 import calls_pb2, leads_pb2, settings_pb2, settings_pb2_grpc
from services.calls.domain.differences import Source
from services.calls.operations.rebuilding import Rebuilding
from tests.integration.calls.harness import ORG, OTHER_ORG, House, Service, find_call, reason_of
from tests.support.postgres import Database
from tests.support.vapi_messages import report, said, tool_calls, tool_use, transcript
from tests.support.waiting import eventually

CARD, SSN, EMAIL = "4532 0151 1283 0366", "123-45-6789", "jean@exemple.ca"
SECRETS = (CARD, "4532015112830366", SSN, EMAIL)
LINES = (
    said("bot", "Comment puis-je vous aider?", at=1),
    said("user", f"Inondation! Ma carte est {CARD} et mon NAS {SSN}.", at=6),
    said("user", f"Écrivez à {EMAIL}", at=9),
)
STRUCTURED = {"description": f"Carte {CARD}, {SSN}", "courriel": EMAIL, "carte": 4532015112830366}
SUMMARY = f"The caller gave {CARD}, {SSN} and {EMAIL}."
Kinds = settings_pb2.CallSettings


def settings_of(service: Service) -> settings_pb2_grpc.CallSettingsServiceStub:
    return settings_pb2_grpc.CallSettingsServiceStub(service.peer.channel)


async def choose(house: House, *kinds: str, org_id: Any = ORG) -> None:
    chosen = ", ".join(f"'{kind}'" for kind in kinds)
    await house.database.execute(
        f"INSERT INTO calls.call_settings (org_id, redacted) VALUES ('{org_id}', ARRAY[{chosen}])"  # noqa: S608
    )


async def whole_record(house: House, org_id: Any = ORG) -> str:
    """Everything derived of an organization, as text."""
    found = []
    for table in ("calls", "transcripts", "leads", "outbox"):
        column = "encode(data, 'escape')" if table == "outbox" else "row_to_json(t)::text"
        rows = await house.database.fetch(
            f"SELECT {column} AS row FROM calls.{table} AS t WHERE org_id = $1",  # noqa: S608
            org_id,
        )
        found += [row["row"] for row in rows]
    return "\n".join(found)


def told(name: str) -> list[bytes]:
    return [
        transcript(name, "user", f"Ma carte est {CARD}", at=6),
        tool_calls(name, tool_use("call_1", "classifyPriority", {"description": f"Carte {CARD}"})),
        report(name, lines=LINES, structured_data=STRUCTURED, summary=SUMMARY),
    ]


async def test_what_was_chosen_is_nowhere_in_the_record(house: House) -> None:
    """IN-13: neither in lines, summary, analysis and description, nor in leads and events that follow."""
    await choose(house, "CARD", "SSN", "EMAIL")

    await house.told(*told("c-1"))

    call, everything = await house.call("c-1"), await whole_record(house)
    assert "The caller gave [CARD], [SSN] and [EMAIL]." == call["summary"]
    assert "Carte [CARD], [SSN]" == call["problem_description"]
    assert EMAIL == call["customer_email"]
    assert [] == [secret for secret in SECRETS if secret in everything.replace(f'"{EMAIL}"', "")]
    lines = await house.database.fetch("SELECT message FROM calls.transcripts ORDER BY line_no")
    assert "Inondation! Ma carte est [CARD] et mon NAS [SSN]." == lines[1]["message"]
    raw = await house.database.fetch("SELECT body FROM calls.provider_events")
    assert any(CARD.encode() in row["body"] for row in raw)


async def test_another_organizations_record_is_as_it_was_told(house: House) -> None:
    """IN-13: off is the default, and the choice is one organization's."""
    await choose(house, "CARD", org_id=OTHER_ORG)

    await house.told(*told("c-1"))
    await house.told(*told("c-2"), org_id=OTHER_ORG)

    ours, theirs = await whole_record(house), await whole_record(house, OTHER_ORG)
    assert [True, True, True] == [secret in ours for secret in (CARD, SSN, EMAIL)]
    assert [False, True, True] == [secret in theirs for secret in (CARD, SSN, EMAIL)]


async def test_a_rebuild_comes_to_the_same_and_applies_a_new_choice(house: House) -> None:
    """IN-13: redaction depends on text and setting only, so it composes with the rebuild."""
    await choose(house, "CARD")
    await house.told(*told("c-1"))
    rebuilding = Rebuilding(house.worker_pool)

    same = await rebuilding.step(org_id=ORG, source=Source.LEDGER, apply=False)
    await house.database.execute("UPDATE calls.call_settings SET redacted = ARRAY['CARD', 'SSN']")
    changed = await rebuilding.step(org_id=ORG, source=Source.LEDGER, apply=True)

    assert [] == list(same.differences)
    assert {"calls", "transcripts"} == {one.table for one in changed.differences}
    assert "The caller gave [CARD], [SSN] and jean@exemple.ca." == (await house.call("c-1"))["summary"]
    again = await rebuilding.step(org_id=ORG, source=Source.CALL_EVENTS, apply=False)
    assert [] == list(again.differences)


async def test_settings_over_the_api(service: Service) -> None:
    """IN-13: what was never decided is empty; a replacement counts from then on, for one organization."""
    stub, metadata = settings_of(service), service.as_org()
    before = await stub.GetCallSettings(settings_pb2.GetCallSettingsRequest(), metadata=metadata)
    assert ([], "0") == (list(before.redacted), before.etag)
    request = settings_pb2.ReplaceCallSettingsRequest(redacted=[Kinds.CARD, Kinds.SSN, Kinds.EMAIL], etag="0")

    replaced = await stub.ReplaceCallSettings(request, metadata=metadata)

    assert ({Kinds.CARD, Kinds.SSN, Kinds.EMAIL}, "1") == (set(replaced.redacted), replaced.etag)
    assert "ETAG_MISMATCH" == await reason_of(stub.ReplaceCallSettings(request, metadata=metadata))
    theirs = await stub.GetCallSettings(
        settings_pb2.GetCallSettingsRequest(), metadata=service.as_org(OTHER_ORG)
    )
    assert not theirs.redacted


async def test_nothing_that_the_api_shows_has_it(service: Service) -> None:
    """IN-13: transcript, call, lead, the raw events and the tools' arguments, as they are read."""
    metadata = service.as_org()
    await settings_of(service).ReplaceCallSettings(
        settings_pb2.ReplaceCallSettingsRequest(redacted=[Kinds.CARD, Kinds.SSN]), metadata=metadata
    )
    live, tools, end = told("c-1")
    await service.ingest(live)
    await service.answer(tools)
    await service.ingest(end)

    async def reported() -> calls_pb2.Call | None:
        call = await find_call(service, "c-1")
        return call if call.summary else None

    call = await eventually(reported)
    shown = [
        call,
        await service.calls.GetTranscript(calls_pb2.GetTranscriptRequest(call_id=call.id), metadata=metadata),
        await service.calls.ListCallEvents(
            calls_pb2.ListCallEventsRequest(call_id=call.id), metadata=metadata
        ),
        await service.calls.ListToolCalls(calls_pb2.ListToolCallsRequest(call_id=call.id), metadata=metadata),
        await service.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=metadata),
    ]
    for message in shown:
        assert [] == [secret for secret in SECRETS[:3] if secret in str(message)]
    assert 3 <= str(shown[2]).count("[CARD]")
    assert "[CARD]" in str(shown[3])


async def test_what_a_tool_says_goes_out_without_it(service: Service, database: Database) -> None:
    """IN-13: leads and events that follow from tools while the call is on."""
    await settings_of(service).ReplaceCallSettings(
        settings_pb2.ReplaceCallSettingsRequest(redacted=[Kinds.CARD, Kinds.SSN]), metadata=service.as_org()
    )
    lead = {"description": f"Carte {CARD}", "notes": f"NAS {SSN}"}

    await service.answer(
        tool_calls(
            "c-1",
            tool_use("call_1", "createLead", lead),
            tool_use("call_2", "sendSMSAlert", {"message": f"Carte {CARD}"}),
        )
    )

    rows = await database.fetch("SELECT encode(data, 'escape') AS row FROM calls.outbox")
    rows += await database.fetch("SELECT row_to_json(t)::text AS row FROM calls.leads AS t")
    said_and_kept = "\n".join(row["row"] for row in rows)
    assert "Carte [CARD]" in said_and_kept
    assert [] == [secret for secret in SECRETS[:3] if secret in said_and_kept]


@pytest.mark.parametrize("kinds", [[0], [9], [1, 1]])
async def test_kinds_that_there_are_not_are_refused(service: Service, kinds: list[int]) -> None:
    """IN-13: the choice is of known kinds, each once."""
    request = settings_pb2.ReplaceCallSettingsRequest()
    request.redacted.extend(kinds)  # type: ignore[arg-type]

    assert "INVALID_ARGUMENT" == await reason_of(
        settings_of(service).ReplaceCallSettings(request, metadata=service.as_org())
    )
