"""Campaigns as people handle them: creation, changes, refusals, tenants, suppressions, the trace."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from callplane.campaigns.v2 import assistants_pb2, campaigns_pb2, contacts_pb2
from callplane.events.v1 import events_pb2
from libs import telemetry
from libs.rpc.convert import struct
from libs.telemetry.providers import setup
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import ORG, OTHER_ORG, Service, refused
from tests.support.waiting import eventually

Campaign = campaigns_pb2.Campaign


async def test_a_campaign_has_the_defaults(service: Service) -> None:
    created = await service.campaign()

    assert (Campaign.CREATED, Campaign.CONTINUOUS) == (created.status, created.mode)
    assert (8, 1, 3600, 0) == (
        created.cap,
        created.max_attempts,
        created.retry_delay_seconds,
        created.total_contacts,
    )
    assert (0, 0) == (created.stats.contacts, created.stats.attempts)
    assert not created.stats.HasField("total_cost_usd")
    assert created == await service.get(created.id)


@pytest.mark.parametrize("cap", [0, 51])
async def test_a_cap_out_of_range_is_refused(service: Service, cap: int) -> None:
    refusal = await refused(service.campaign(cap=cap))

    assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") == (refusal.code, refusal.reason)


async def test_a_repeated_creation_makes_one_campaign(service: Service) -> None:
    assistant = await service.assistant()
    request = campaigns_pb2.CreateCampaignRequest(
        name="Spring", assistant_id=assistant.id, phone_number_id="p"
    )
    metadata = service.metadata(key="once")

    first = await service.campaigns.CreateCampaign(request, metadata=metadata)
    again = await service.campaigns.CreateCampaign(request, metadata=metadata)
    another = await service.campaigns.CreateCampaign(request, metadata=service.metadata(key="twice"))

    assert first.id == again.id
    assert first.id != another.id


async def test_an_empty_campaign_cannot_start(service: Service) -> None:
    campaign = await service.campaign()

    assert "CAMPAIGN_EMPTY" == (await refused(service.start(campaign.id))).reason


async def test_the_assistant_is_pinned_by_the_start(service: Service) -> None:
    assistant = await service.assistant()
    campaign = await service.campaign(contacts=1, assistant_id=assistant.id)
    await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")

    [call] = service.calls.calls.values()
    assert assistant.provider_assistant_id == call.request.provider_assistant_id
    assert (assistant.id, "phone-1") == (call.request.assistant_id, call.request.phone_number_id)


async def test_a_stale_etag_is_refused(service: Service) -> None:
    campaign = await service.campaign()
    await service.update(campaign.id, name="Summer", etag=campaign.etag)

    refusal = await refused(service.update(campaign.id, name="Winter", etag=campaign.etag))

    assert (grpc.StatusCode.ABORTED, "ETAG_MISMATCH") == (refusal.code, refusal.reason)
    assert "Summer" == (await service.get(campaign.id)).name


async def test_campaigns_are_listed_newest_first(service: Service) -> None:
    ids = [(await service.campaign(name=f"Campaign {n}")).id for n in range(3)]
    request = campaigns_pb2.ListCampaignsRequest(page_size=2)
    first = await service.campaigns.ListCampaigns(request, metadata=service.metadata())
    request.page_token = first.next_page_token
    second = await service.campaigns.ListCampaigns(request, metadata=service.metadata())

    assert ids[::-1] == [one.id for one in (*first.campaigns, *second.campaigns)]
    request = campaigns_pb2.ListCampaignsRequest(status=Campaign.PAUSED)
    assert [] == list((await service.campaigns.ListCampaigns(request, metadata=service.metadata())).campaigns)


async def test_who_does_not_want_to_be_called_is_skipped(service: Service) -> None:
    for phone, channel in (("+15145550100", "VOICE"), ("+15145550101", "SMS"), ("+15145550102", "ALL")):
        data = events_pb2.SuppressionCreated(phone_number=phone, channel=channel)
        await service.notify.append("callplane.suppression.created.v1", phone, ORG, data)
    data = events_pb2.SuppressionCreated(phone_number="+15145550103", channel="ALL")
    await service.notify.append("callplane.suppression.created.v1", "+15145550103", OTHER_ORG, data)
    deleted = events_pb2.SuppressionDeleted(phone_number="+15145550102", channel="ALL")
    await service.notify.append("callplane.suppression.deleted.v1", "+15145550102", ORG, deleted)

    async def copied() -> bool:
        rows = await service.database.fetch("SELECT phone FROM campaigns.suppressions ORDER BY phone")
        return ["+15145550100", "+15145550101", "+15145550103"] == [row["phone"] for row in rows]

    await eventually(copied)
    campaign = await service.campaign(contacts=4)
    await service.start(campaign.id)

    done = await service.until_status(campaign.id, "COMPLETED")
    assert (3, 1) == (done.stats.attempts, done.stats.skipped)
    contact = (await service.contacts(campaign.id))[0]
    assert (campaigns_pb2.Contact.SKIPPED, "SUPPRESSED") == (contact.status, contact.reason)
    [event] = await service.outbox("callplane.contact.skipped.v1")
    skipped = events_pb2.ContactSkipped()
    assert any_pb2.Any.FromString(event["data"]).Unpack(skipped)
    assert (contact.id, "SUPPRESSED") == (skipped.contact_id, skipped.reason)
    verdicts = await service.database.fetch(
        "SELECT verdict, count(*) FROM campaigns.verdicts GROUP BY verdict ORDER BY verdict"
    )
    assert [("DIAL", 3), ("SKIP", 1)] == [tuple(row) for row in verdicts]


async def test_a_campaign_whose_contacts_are_all_skipped_completes(service: Service) -> None:
    await service.database.fetch(
        "INSERT INTO campaigns.suppressions (org_id, phone, channel) SELECT $1, '+' || n, 'ALL' "
        "FROM generate_series(15145550100, 15145550150) AS n",
        ORG,
    )
    campaign = await service.campaign(contacts=45)
    await service.start(campaign.id)

    done = await service.until_status(campaign.id, "COMPLETED")

    assert (45, 0) == (done.stats.skipped, len(service.calls.requests))


@pytest.fixture
def traced() -> Iterator[None]:
    """Takes the instrumentation back: it would put this process's spans over what other tests send."""
    setup("tests", {})
    yield
    HTTPXClientInstrumentor().uninstrument()
    AsyncPGInstrumentor().uninstrument()


async def test_one_trace_runs_from_the_start_to_the_call(traced: None, service: Service) -> None:
    campaign = await service.campaign(contacts=2)
    with telemetry.span("test starts a campaign") as span:
        trace_id = format(span.get_span_context().trace_id, "032x")
        await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")

    assert {trace_id} == {call.traceparent.split("-")[1] for call in service.calls.calls.values()}
    [event] = await service.outbox("callplane.campaign.completed.v1")
    assert trace_id == event["traceparent"].split("-")[1]


async def test_another_organizations_things_are_not_found(service: Service) -> None:
    assistant = await service.assistant()
    campaign = await service.campaign(contacts=1, assistant_id=assistant.id)
    stranger = service.metadata(OTHER_ORG)
    campaigns, assistants, contacts = service.campaigns, service.assistants, service.contact_service
    [found] = await service.imports(campaign.id)

    async def export() -> list[Any]:
        request = campaigns_pb2.ExportCampaignRequest(campaign_id=campaign.id)
        return [chunk async for chunk in campaigns.ExportCampaign(request, metadata=stranger)]

    one = campaign.id
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: campaigns.GetCampaign(campaigns_pb2.GetCampaignRequest(id=one), metadata=stranger),
        lambda: campaigns.UpdateCampaign(
            campaigns_pb2.UpdateCampaignRequest(id=one, cap=1), metadata=stranger
        ),
        lambda: campaigns.StartCampaign(campaigns_pb2.StartCampaignRequest(id=one), metadata=stranger),
        lambda: campaigns.PauseCampaign(campaigns_pb2.PauseCampaignRequest(id=one), metadata=stranger),
        lambda: campaigns.ResumeCampaign(campaigns_pb2.ResumeCampaignRequest(id=one), metadata=stranger),
        lambda: campaigns.CancelCampaign(campaigns_pb2.CancelCampaignRequest(id=one), metadata=stranger),
        lambda: campaigns.GetCampaignStats(campaigns_pb2.GetCampaignStatsRequest(id=one), metadata=stranger),
        lambda: campaigns.ListContacts(campaigns_pb2.ListContactsRequest(campaign_id=one), metadata=stranger),
        lambda: campaigns.ListAttempts(campaigns_pb2.ListAttemptsRequest(campaign_id=one), metadata=stranger),
        lambda: service.load(campaign.id, b"name,business_name,phone\n", org_id=OTHER_ORG),
        export,
        lambda: campaigns.DeleteCampaign(campaigns_pb2.DeleteCampaignRequest(id=one), metadata=stranger),
        lambda: contacts.AddContacts(
            contacts_pb2.AddContactsRequest(campaign_id=one, contacts=[contacts_pb2.NewContact(name="A")]),
            metadata=stranger,
        ),
        lambda: contacts.ListImports(contacts_pb2.ListImportsRequest(campaign_id=one), metadata=stranger),
        lambda: contacts.GetImport(
            contacts_pb2.GetImportRequest(campaign_id=one, id=found.id), metadata=stranger
        ),
        lambda: contacts.UndoImport(
            contacts_pb2.UndoImportRequest(campaign_id=one, id=found.id), metadata=stranger
        ),
        lambda: service.campaign(org_id=OTHER_ORG, assistant_id=assistant.id),
        lambda: assistants.GetAssistant(
            assistants_pb2.GetAssistantRequest(id=assistant.id), metadata=stranger
        ),
        lambda: assistants.UpdateAssistant(
            assistants_pb2.UpdateAssistantRequest(id=assistant.id, name="Mine", config=struct({})),
            metadata=stranger,
        ),
        lambda: assistants.DeleteAssistant(
            assistants_pb2.DeleteAssistantRequest(id=assistant.id), metadata=stranger
        ),
    ]
    for call in calls:
        refusal = await refused(_awaited(call))
        assert grpc.StatusCode.NOT_FOUND == refusal.code
    listed = await campaigns.ListCampaigns(campaigns_pb2.ListCampaignsRequest(), metadata=stranger)
    assert [] == list(listed.campaigns)
    assert campaign.etag == (await service.get(campaign.id)).etag


async def _awaited(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


async def test_news_of_another_organizations_call_are_not_ours(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1)
    await service.start(campaign.id)
    await service.until_status(campaign.id, "DIALING")
    [call] = service.calls.calls.values()
    owner, call.org_id = call.org_id, OTHER_ORG
    await service.calls.end(call.call_id)
    call.org_id = owner
    await service.calls.report(call.call_id)

    done = await service.until_status(campaign.id, "COMPLETED")

    # Only the second event counted; the first one's reader passed over it.
    assert 1 == done.stats.attempts
    assert [] == await service.database.fetch("SELECT position FROM campaigns.dead_events")
