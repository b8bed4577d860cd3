"""What operators send that cannot be right: refused with what is wrong, where, and what would be right."""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf import timestamp_pb2

from callplane.campaigns.v2 import (
    assistants_pb2,
    campaigns_pb2,
    consents_pb2,
    consents_pb2_grpc,
    contacts_pb2,
)
from libs.rpc import pages
from tests.integration.campaigns.harness import OTHER_ORG, Service, refused

HEADER = "name,business_name,phone\n"
ROW = "Zoé,Zoé's,+15145550101\n"
# What a spreadsheet or an old system makes of the same contact.
READABLE = {
    "semicolons": (HEADER + ROW).replace(",", ";").encode(),
    "tabs": (HEADER + ROW).replace(",", "\t").encode(),
    "byte order mark": (HEADER + ROW).encode("utf-8-sig"),
    "windows lines": (HEADER + ROW).replace("\n", "\r\n").encode(),
    "columns in another order": b"Phone;Name;Business Name\n+15145550101;Zo\xc3\xa9;Zo\xc3\xa9's\n",
}
UNREADABLE = {
    "no phone": (b"name,business_name\nAnn,A\n", "lacks phone", "1"),
    "no header": (ROW.encode(), "lacks name, business_name, phone", "1"),
    "nothing": (b"", "is empty", "1"),
    "another encoding": ((HEADER + ROW).encode("latin-1"), "not UTF-8 text; save it as CSV UTF-8", "2"),
    "two bytes a character": ((HEADER + ROW).encode("utf-16"), "not UTF-8 text", "1"),
}
BAD_ROWS = {
    "+19005550101": "premium-rate number",
    "+979123456789": "premium-rate number",
    "911": "emergency number",
    "411": "short number",
    "=15145550101": "formula",
    '"=HYPERLINK(""http://x"")"': "formula",
    "@SUM(1)": "formula",
    "1.5145550101E+10": "turned into a number by a spreadsheet",
    "": "is empty",
}


async def test_what_spreadsheets_make_of_a_contact_is_read_all_the_same(service: Service) -> None:
    """CA-1: semicolons, tabs, a byte order mark."""
    for form, data in READABLE.items():
        campaign = await service.campaign()

        report = await service.load(campaign.id, data)

        assert (form, 1, []) == (form, report.accepted, list(report.rejected))
        [contact] = await service.contacts(campaign.id)
        assert ("Zoé", "Zoé's", "+15145550101") == (contact.name, contact.business_name, contact.phone)


async def test_a_file_that_cannot_be_read_says_why_and_in_which_line(service: Service) -> None:
    """CA-1: missing columns, a wrong encoding; nothing of it is kept."""
    campaign = await service.campaign()
    for form, (data, words, line) in UNREADABLE.items():
        refusal = await refused(service.load(campaign.id, data))

        assert (form, grpc.StatusCode.INVALID_ARGUMENT, "CONTACTS_FILE_INVALID", line) == (
            form,
            refusal.code,
            refusal.reason,
            refusal.metadata["line"],
        )
        assert words in refusal.message
    assert [] == await service.contacts(campaign.id)
    assert [] == await service.imports(campaign.id)


async def test_numbers_that_are_never_called_are_refused_one_by_one(service: Service) -> None:
    """CA-1: premium, emergency and short numbers, formulas; by file and by request."""
    campaign = await service.campaign()
    rows = "".join(f"Person {n},B,{phone}\n" for n, phone in enumerate(BAD_ROWS))
    report = await service.load(campaign.id, (HEADER + rows + "Good,G,+15145550199\n").encode())

    assert (len(BAD_ROWS) + 1, 1) == (report.total_rows, report.accepted)
    assert list(range(2, len(BAD_ROWS) + 2)) == [one.row for one in report.rejected]
    for (phone, words), one in zip(BAD_ROWS.items(), report.rejected, strict=True):
        assert (phone, "phone", True) == (phone, one.field, words in one.reason)
        assert "write it like +15145550123" in one.reason
    added = await service.add_contacts(campaign.id, "+19005550101", "911", "411", "=1+1", "+15145550198")
    assert (1, [1, 2, 3, 4]) == (added.accepted, [one.row for one in added.rejected])
    assert ["+15145550199", "+15145550198"] == [one.phone for one in await service.contacts(campaign.id)]


async def test_a_cap_that_is_none_is_refused_at_creation_and_later(service: Service) -> None:
    """CA-1, CA-2: 0, 51 and -1."""
    campaign = await service.campaign()
    for cap in (0, 51, -1):
        for call in (service.campaign(cap=cap), service.update(campaign.id, cap=cap)):
            refusal = await refused(call)

            assert (cap, grpc.StatusCode.INVALID_ARGUMENT, ["cap"]) == (cap, refusal.code, refusal.fields)
            assert (
                "must be greater than or equal to 1 and less than or equal to 50" in refusal.violations["cap"]
            )
    assert 8 == (await service.get(campaign.id)).cap


async def test_only_an_active_assistant_of_the_directory_can_be_given(service: Service) -> None:
    """CA-1, CA-2: neither a foreign one, nor one that is switched off; when created, changed and started."""
    campaign = await service.campaign(contacts=1)
    foreign, off = await service.assistant(OTHER_ORG), await service.assistant(name="Off")
    switch = assistants_pb2.UpdateAssistantRequest(id=off.id, active=False)
    await service.assistants.UpdateAssistant(switch, metadata=service.metadata())
    for assistant_id, code, reason in (
        (foreign.id, grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND"),
        (str(uuid4()), grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND"),
        (off.id, grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_INACTIVE"),
    ):
        for call in (
            service.campaign(assistant_id=assistant_id),
            service.update(campaign.id, assistant_id=assistant_id),
        ):
            refusal = await refused(call)
            assert (code, reason) == (refusal.code, refusal.reason)
    assert "switch it on" in refusal.message

    own = assistants_pb2.UpdateAssistantRequest(id=campaign.assistant_id, active=False)
    await service.assistants.UpdateAssistant(own, metadata=service.metadata())
    assert "ASSISTANT_INACTIVE" == (await refused(service.start(campaign.id))).reason
    assert campaigns_pb2.Campaign.CREATED == (await service.get(campaign.id)).status


async def test_a_finished_campaign_and_a_used_assistant_say_what_is_possible(service: Service) -> None:
    """AS-2, CA-2: pause a finished one, start it again, delete its assistant."""
    campaign = await service.campaign(contacts=1, name="Autumn")
    await service.start(campaign.id)
    await service.until_status(campaign.id, "COMPLETED")
    refusals: list[tuple[Awaitable[Any], str, str]] = [
        (service.pause(campaign.id), "CAMPAIGN_WRONG_STATUS", "is COMPLETED; only one that is QUEUED"),
        (service.start(campaign.id), "CAMPAIGN_WRONG_STATUS", "only one that is CREATED can be started"),
        (
            service.assistants.DeleteAssistant(
                assistants_pb2.DeleteAssistantRequest(id=campaign.assistant_id), metadata=service.metadata()
            ),
            "ASSISTANT_IN_USE",
            "Autumn. It can be deleted 24 hours after the last of them",
        ),
    ]
    for call, reason, words in refusals:
        refusal = await refused(call)

        assert (grpc.StatusCode.FAILED_PRECONDITION, reason) == (refusal.code, refusal.reason)
        assert words in refusal.message


async def test_a_page_token_of_elsewhere_is_refused(service: Service) -> None:
    """CA-1, AS-4: whatever it says, it is never an error of ours."""
    campaign = await service.campaign()
    metadata = service.metadata()
    for position in ("99999999999", "9" * 18):
        versions = assistants_pb2.ListAssistantVersionsRequest(
            id=campaign.assistant_id, page_token=pages.encode([position])
        )
        page = await service.assistants.ListAssistantVersions(versions, metadata=metadata)
        assert [1] == [one.version for one in page.versions]
    for values in (["1", "2"], ["-1"], ["9" * 19], [str(uuid4())]):
        versions.page_token = pages.encode(values)
        refusal = await refused(service.assistants.ListAssistantVersions(versions, metadata=metadata))
        assert "INVALID_PAGE_TOKEN" == refusal.reason
    for at in ("0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00", "yesterday"):
        imports = contacts_pb2.ListImportsRequest(
            campaign_id=campaign.id, page_token=pages.encode([at, str(uuid4())])
        )
        refusal = await refused(service.contact_service.ListImports(imports, metadata=metadata))
        assert "INVALID_PAGE_TOKEN" == refusal.reason


async def test_a_consent_of_no_time_there_is_is_refused(service: Service) -> None:
    """CA-5: a moment beyond the calendar, and one to come."""
    stub = consents_pb2_grpc.ConsentServiceStub(service.peer.channel)
    tomorrow = int(datetime.now(UTC).timestamp()) + 86_400
    for seconds, nanos in ((10**15, 0), (-(10**15), 0), (0, 2_000_000_000), (tomorrow, 0)):
        request = consents_pb2.RecordConsentRequest(
            phone_number="+15145550101",
            source="form",
            obtained_at=timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos),
        )
        refusal = await refused(stub.RecordConsent(request, metadata=service.metadata()))

        assert (seconds, grpc.StatusCode.INVALID_ARGUMENT) == (seconds, refusal.code)
