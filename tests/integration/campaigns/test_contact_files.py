"""Contacts in by CSV, campaigns out as CSV, over the RPCs."""

import csv
import io

import grpc
import pytest

from callplane.campaigns.v2 import campaigns_pb2
from tests.integration.campaigns.fake_calls import Script
from tests.integration.campaigns.harness import Service, contacts_csv, import_requests, refused

HEADER = b"name,business_name,phone\n"


async def test_good_rows_are_kept_and_each_bad_one_is_reported(service: Service) -> None:
    campaign = await service.campaign()
    report = await service.load(
        campaign.id,
        HEADER,
        b"Ann,Ann's,514-555-0101\nBob,Bob's,12\n,Nobody,+15145550102\n",
        b"Cat,Cat's,+1 514 555 0101\nDan,Dan's,+33612345678\n",
    )

    assert (5, 2, 1) == (report.total_rows, report.accepted, report.duplicates)
    assert [(3, "phone", "12"), (4, "name", "")] == [
        (one.row, one.field, one.value) for one in report.rejected
    ]
    assert "write it like" in report.rejected[0].reason
    contacts = await service.contacts(campaign.id)
    assert [("Ann", "+15145550101", 1), ("Dan", "+33612345678", 5)] == [
        (one.name, one.phone, one.row) for one in contacts
    ]
    assert 2 == (await service.get(campaign.id)).total_contacts


async def test_a_second_file_adds_only_new_numbers(service: Service) -> None:
    campaign = await service.campaign(contacts=3)

    report = await service.load(campaign.id, contacts_csv(5))

    assert (5, 2, 3) == (report.total_rows, report.accepted, report.duplicates)
    assert 5 == (await service.get(campaign.id)).total_contacts


async def test_the_default_region_reads_national_numbers(service: Service) -> None:
    campaign = await service.campaign()

    await service.load(campaign.id, HEADER + b"Eve,,06 12 34 56 78\n", region="FR")

    assert ["+33612345678"] == [one.phone for one in await service.contacts(campaign.id)]
    refusal = await refused(service.load(campaign.id, HEADER, region="ZZ"))
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal.code


async def test_the_largest_file_is_taken_in_one_piece(service: Service) -> None:
    campaign = await service.campaign()
    data = contacts_csv(10_000)
    pieces = [data[start : start + 65_536] for start in range(0, len(data), 65_536)]

    report = await service.load(campaign.id, *pieces)

    assert (10_000, 10_000, []) == (report.total_rows, report.accepted, list(report.rejected))


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([contacts_csv(10_001)], id="10,001 rows"),
        pytest.param([HEADER, *[b"A,B,+15145550100\n" * 60_000] * 11], id="11 MB"),
    ],
)
async def test_of_a_file_that_is_too_large_nothing_is_kept(service: Service, pieces: list[bytes]) -> None:
    campaign = await service.campaign()

    refusal = await refused(service.load(campaign.id, *pieces))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "CONTACTS_FILE_TOO_LARGE") == (refusal.code, refusal.reason)
    assert [] == await service.contacts(campaign.id)


async def test_a_file_that_is_no_contacts_file_is_refused(service: Service) -> None:
    campaign = await service.campaign()

    refusal = await refused(service.load(campaign.id, b"name,phone\nAnn,+15145550101\n"))

    assert (grpc.StatusCode.INVALID_ARGUMENT, "CONTACTS_FILE_INVALID") == (refusal.code, refusal.reason)
    assert "business_name" in refusal.message


async def test_an_upload_needs_a_campaign(service: Service) -> None:
    call = service.campaigns.ImportContacts(import_requests("", [HEADER]), metadata=service.metadata())
    refusal = await refused(call)
    assert grpc.StatusCode.INVALID_ARGUMENT == refusal.code
    missing = "0190a000-0000-7000-8000-00000000ffff"
    assert "CAMPAIGN_NOT_FOUND" == (await refused(service.load(missing, HEADER))).reason


async def test_contacts_can_be_added_while_it_runs_but_not_when_it_is_over(service: Service) -> None:
    service.calls.script = lambda _: Script(seconds=None)
    campaign = await service.campaign(contacts=1, cap=3)
    await service.start(campaign.id)
    await service.until(lambda: len(service.calls.active) == 1)

    await service.load(campaign.id, contacts_csv(2, first=15145559000))
    await service.until(lambda: len(service.calls.active) == 3)
    for call_id in list(service.calls.active):
        await service.calls.end(call_id)
    await service.until_status(campaign.id, "COMPLETED")

    refusal = await refused(service.load(campaign.id, contacts_csv(2)))
    assert ("CAMPAIGN_WRONG_STATUS", "COMPLETED") == (refusal.reason, refusal.metadata["status"])


async def test_the_export_has_every_contact_with_its_last_call(service: Service) -> None:
    service.calls.script = lambda request: Script(
        outcome="HUMAN" if request.customer_name == "=1+1" else "NO_ANSWER", success=None
    )
    campaign = await service.campaign(max_attempts=2, retry_delay_seconds=0)
    await service.load(campaign.id, HEADER + b'=1+1,@cmd,+15145550101\nZoe,"A, ""B""",+15145550102\n')
    await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")

    async def reported() -> str:
        return await service.export(campaign.id)

    text = await reported()
    header, first, second = csv.reader(io.StringIO(text))
    assert (
        "name,business_name,phone,call_status,ended_reason,cost_usd,duration_seconds,recording_url,"
        "success_evaluation,transcript_summary" == ",".join(header)
    )
    assert ["'=1+1", "'@cmd", "+15145550101", "ENDED", "customer-ended-call"] == first[:5]
    assert ["Zoe", 'A, "B"', "+15145550102", "ENDED"] == second[:4]


async def test_an_export_of_nothing_is_a_header(service: Service) -> None:
    campaign = await service.campaign()

    assert 1 == (await service.export(campaign.id)).count("\r\n")


async def test_contacts_come_in_pages_and_by_status(service: Service) -> None:
    campaign = await service.campaign(contacts=5)
    request = campaigns_pb2.ListContactsRequest(campaign_id=campaign.id, page_size=2)
    rows = []
    while True:
        page = await service.campaigns.ListContacts(request, metadata=service.metadata())
        rows += [one.row for one in page.contacts]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert [1, 2, 3, 4, 5] == rows
    request = campaigns_pb2.ListContactsRequest(campaign_id=campaign.id, status=campaigns_pb2.Contact.SKIPPED)
    assert [] == list((await service.campaigns.ListContacts(request, metadata=service.metadata())).contacts)
