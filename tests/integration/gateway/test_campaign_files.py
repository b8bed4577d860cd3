"""Contacts in, results out: the two routes of the API that are no JSON."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from libs.errors import Kind, NotFound, ServiceError
from libs.rpc.principals import METADATA_KEY
from tests.integration.gateway.harness import Gateway

CAMPAIGN = str(uuid4())
IMPORT = f"/v2/campaigns/{CAMPAIGN}/contacts:import"
EXPORT = f"/v2/campaigns/{CAMPAIGN}/export.csv"
CSV = b"name,business_name,phone\nAda,Ada Inc,+15143180427\n"
MIB = 1024 * 1024


class FileTooLarge(ServiceError):
    """More rows than a campaign takes."""

    kind = Kind.EXHAUSTED
    reason = "CONTACTS_FILE_TOO_LARGE"


def authorized(gateway: Gateway, **headers: str) -> dict[str, str]:
    return {METADATA_KEY: gateway.token("campaigns:write", "campaigns:read"), **headers}


def as_csv(gateway: Gateway) -> dict[str, str]:
    return authorized(gateway, **{"content-type": "text/csv"})


async def test_a_csv_body_is_imported(gateway: Gateway) -> None:
    answer = await gateway.http.post(f"{IMPORT}?defaultRegion=US", content=CSV, headers=as_csv(gateway))

    assert 200 == answer.status_code
    assert {
        "importId": "imp",
        "totalRows": 2,
        "accepted": 1,
        "rejected": [{"row": 3, "field": "phone", "reason": "is not a number", "value": "abc"}],
        "duplicates": 0,
    } == answer.json()
    campaigns = gateway.peers.campaigns
    assert CSV == campaigns.imported
    assert (CAMPAIGN, "US") == (campaigns.import_request.campaign_id, campaigns.import_request.default_region)
    assert ("key:test", gateway.org_id) == (campaigns.principals[0].subject, campaigns.principals[0].org_id)


async def test_a_form_s_file_is_imported(gateway: Gateway) -> None:
    content = CSV * 20_000
    files: dict[str, Any] = {
        "other": ("other.csv", b"ignored"),
        "file": ("contacts.csv", content, "text/csv"),
    }

    answer = await gateway.http.post(IMPORT, files=files, data={"note": "x"}, headers=authorized(gateway))

    assert 200 == answer.status_code
    assert content == gateway.peers.campaigns.imported


async def test_eleven_megabytes_are_too_much(gateway: Gateway) -> None:
    content = b"x" * (11 * MIB)

    async def chunked() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * MIB

    form = {"file": ("contacts.csv", content, "text/csv")}
    answers = [
        await gateway.http.post(IMPORT, content=content, headers=as_csv(gateway)),
        await gateway.http.post(IMPORT, files=form, headers=authorized(gateway)),
        await gateway.http.post(IMPORT, content=chunked(), headers=as_csv(gateway)),
    ]

    assert [413] * 3 == [answer.status_code for answer in answers]
    assert {"BODY_TOO_LARGE"} == {answer.json()["details"][0]["reason"] for answer in answers}
    assert b"" == gateway.peers.campaigns.imported


async def test_a_form_just_past_the_limit_is_too_much(gateway: Gateway) -> None:
    form = {"file": ("contacts.csv", b"x" * (10 * MIB + 1), "text/csv")}

    answer = await gateway.http.post(IMPORT, files=form, headers=authorized(gateway))

    assert 413 == answer.status_code
    assert [] == gateway.peers.campaigns.principals
    full = {"file": ("contacts.csv", b"x" * (10 * MIB), "text/csv")}
    assert 200 == (await gateway.http.post(IMPORT, files=full, headers=authorized(gateway))).status_code


async def test_other_types_are_refused(gateway: Gateway) -> None:
    for content_type in ("application/json", "application/octet-stream", "text/plain", ""):
        headers = authorized(gateway, **{"content-type": content_type})
        answer = await gateway.http.post(IMPORT, content=CSV, headers=headers)
        assert 415 == answer.status_code, content_type
    gzip = {**as_csv(gateway), "content-encoding": "gzip"}
    assert 415 == (await gateway.http.post(IMPORT, content=CSV, headers=gzip)).status_code


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"nonsense"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=" + "b" * 5000, b"x"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nname,',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n',
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * 100,
        ),
    ],
)
async def test_a_broken_form_is_told_so_and_nothing_is_kept(
    gateway: Gateway, content_type: str, body: bytes
) -> None:
    headers = authorized(gateway, **{"content-type": content_type})

    answer = await gateway.http.post(IMPORT, content=body, headers=headers)

    assert 400 == answer.status_code
    assert b"" == gateway.peers.campaigns.imported


async def test_without_a_principal_nothing_happens(gateway: Gateway) -> None:
    assert (
        401
        == (await gateway.http.post(IMPORT, content=CSV, headers={"content-type": "text/csv"})).status_code
    )
    assert 401 == (await gateway.http.get(EXPORT)).status_code
    forged = {"content-type": "text/csv", METADATA_KEY: "forged"}
    assert 401 == (await gateway.http.post(IMPORT, content=CSV, headers=forged)).status_code
    assert [] == gateway.peers.campaigns.principals


async def test_the_campaigns_service_checks_the_scope(gateway: Gateway) -> None:
    headers = {METADATA_KEY: gateway.token("calls:read"), "content-type": "text/csv"}

    answers = [
        await gateway.http.post(IMPORT, content=CSV, headers=headers),
        await gateway.http.get(EXPORT, headers=headers),
    ]

    assert [403, 403] == [answer.status_code for answer in answers]
    assert "campaigns:write" == answers[0].json()["details"][0]["metadata"]["required_scope"]


@pytest.mark.parametrize(("error", "status"), [(NotFound(), 404), (FileTooLarge(), 413)])
async def test_a_refusal_of_the_campaigns_service_is_passed_on(
    gateway: Gateway, error: ServiceError, status: int
) -> None:
    """It reads the upload off before it refuses; grpc.aio would tell an uploader cut short INTERNAL."""
    gateway.peers.campaigns.fail_with = error

    answer = await gateway.http.post(IMPORT, content=CSV * 50_000, headers=as_csv(gateway))

    assert (status, error.reason) == (answer.status_code, answer.json()["details"][0]["reason"])


@pytest.mark.parametrize(("error", "status"), [(NotFound(), 404), (FileTooLarge(), 413)])
async def test_a_refusal_before_the_upload_is_read_is_passed_on_too(
    gateway: Gateway, error: ServiceError, status: int
) -> None:
    gateway.peers.campaigns.fail_with, gateway.peers.campaigns.fail_early = error, True

    answer = await gateway.http.post(IMPORT, content=CSV * 50_000, headers=as_csv(gateway))

    assert (status, error.reason) == (answer.status_code, answer.json()["details"][0]["reason"])


async def test_an_upload_that_breaks_off_inside_is_never_a_500(gateway: Gateway) -> None:
    """A refusal that meets a write is lost in grpc.aio: either it comes through, or "send it again" does."""
    gateway.peers.campaigns.break_off = True

    answers = [
        await gateway.http.post(IMPORT, content=CSV * 50_000, headers=as_csv(gateway)) for _ in range(5)
    ]

    assert {answer.status_code for answer in answers} <= {404, 503}


async def test_a_region_of_three_letters_is_not_cut_to_another_one(gateway: Gateway) -> None:
    """CA-1: AUT is Austria, AU is Australia."""
    answer = await gateway.http.post(f"{IMPORT}?defaultRegion=AUT", content=CSV, headers=as_csv(gateway))

    [_, bad_request] = answer.json()["details"]
    assert (400, "defaultRegion") == (answer.status_code, bad_request["fieldViolations"][0]["field"])
    assert [] == gateway.peers.campaigns.principals


async def test_an_id_that_is_none_is_a_bad_request(gateway: Gateway) -> None:
    answer = await gateway.http.post("/v2/campaigns/7/contacts:import", content=CSV, headers=as_csv(gateway))

    assert 400 == answer.status_code


async def test_an_export_is_streamed_as_csv(gateway: Gateway) -> None:
    gateway.peers.campaigns.export = [b"name,phone\n", b"Ada,+15143180427\n" * 1000, b"end\n"]

    answer = await gateway.http.get(EXPORT, headers=authorized(gateway))

    assert 200 == answer.status_code
    assert b"".join(gateway.peers.campaigns.export) == answer.content
    assert "text/csv; charset=utf-8" == answer.headers["content-type"]
    assert f'attachment; filename="campaign-{CAMPAIGN}.csv"' == answer.headers["content-disposition"]


async def test_a_refused_export_is_an_error_and_no_file(gateway: Gateway) -> None:
    gateway.peers.campaigns.fail_with = NotFound()

    answer = await gateway.http.get(EXPORT, headers=authorized(gateway))

    assert (404, "application/json") == (answer.status_code, answer.headers["content-type"])


async def test_an_empty_export_is_an_empty_file(gateway: Gateway) -> None:
    answer = await gateway.http.get(EXPORT, headers=authorized(gateway))

    assert (200, b"") == (answer.status_code, answer.content)


async def test_an_upload_that_is_broken_off_is_not_imported(gateway: Gateway) -> None:
    """To the campaigns service, the end of a broken stream could look like the end of the file."""

    async def broken() -> AsyncIterator[bytes]:
        yield CSV * 1000
        raise RuntimeError("the cable was pulled")

    with pytest.raises(RuntimeError, match="cable"):
        await gateway.http.post(IMPORT, content=broken(), headers=as_csv(gateway))

    assert 200 == (await gateway.http.post(IMPORT, content=CSV, headers=as_csv(gateway))).status_code
    assert 1 == len(gateway.peers.campaigns.principals)
