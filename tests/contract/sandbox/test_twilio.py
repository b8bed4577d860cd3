"""SMS over Twilio's API: accepted, delivered, refused, received."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from deploy.sandbox.signatures import twilio_signature
from tests.contract.sandbox.driver import ACCOUNT, TOKEN, Door, Product
from tests.support.waiting import eventually

TO, FROM = "+15142885071", "+15148447210"
LIST = f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


async def settled(sandbox: Door, sid: str) -> dict[str, Any]:
    async def done() -> dict[str, Any]:
        messages = (await sandbox.get("messages"))["messages"]
        message: dict[str, Any] = next(m for m in messages if m["sid"] == sid)
        return message if message["status"] in ("delivered", "undelivered") else {}

    return await eventually(done)


async def test_a_message_is_queued_sent_and_delivered_with_signed_callbacks(
    sandbox: Door, product: Product
) -> None:
    callback = f"{product.url}/sms-status?m=1"
    sent = await sandbox.text(To=TO, From=FROM, Body="Bonjour é", StatusCallback=callback)
    await settled(sandbox, sent.json()["sid"])

    async def called_back() -> bool:
        return len(product.received) == 2

    await eventually(called_back)
    assert (201, "queued") == (sent.status_code, sent.json()["status"])
    forms = [dict(parse_qsl(r.raw.decode())) for r in product.received]
    assert ["sent", "delivered"] == [f["MessageStatus"] for f in forms]
    for got, form in zip(product.received, forms, strict=True):
        assert twilio_signature(TOKEN, url=callback, form=form) == got.headers["x-twilio-signature"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "514"}, 21211),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"ValidityPeriod": "soon"}, 20001),
        ({"Nonsense": "1"}, 20001),
    ],
)
async def test_a_wrong_message_is_refused_with_twilios_code(
    sandbox: Door, change: dict[str, str], code: int
) -> None:
    answer = await sandbox.text(**{"To": TO, "From": FROM, "Body": "x", **change})

    assert (400, code) == (answer.status_code, answer.json()["code"])
    assert {"code", "message", "more_info", "status"} == set(answer.json())


async def test_a_wrong_token_or_account_is_refused(sandbox: Door) -> None:
    form = {"To": TO, "From": FROM, "Body": "x"}
    wrong_token = await sandbox.http.post(LIST, data=form, auth=(ACCOUNT, "no"))
    other = LIST.replace(ACCOUNT, "AC" + "1" * 32)
    wrong_account = await sandbox.http.post(other, data=form, auth=(ACCOUNT, TOKEN))

    assert [(401, 20003)] * 2 == [(a.status_code, a.json()["code"]) for a in (wrong_token, wrong_account)]


@pytest.mark.parametrize(("code", "status"), [(21610, 400), (20429, 429), (20503, 503)])
async def test_configured_numbers_are_refused(sandbox: Door, code: int, status: int) -> None:
    await sandbox.post("settings", {"twilioErrors": {TO: code}})

    answer = await sandbox.text(To=TO, From=FROM, Body="x")

    assert (status, code) == (answer.status_code, answer.json()["code"])


async def test_a_carrier_error_comes_after_acceptance(sandbox: Door, product: Product) -> None:
    await sandbox.post("settings", {"twilioErrors": {TO: 30003}})

    sent = await sandbox.text(To=TO, From=FROM, Body="x", StatusCallback=f"{product.url}/s")

    assert 201 == sent.status_code
    message = await settled(sandbox, sent.json()["sid"])
    assert ("undelivered", 30003) == (message["status"], message["errorCode"])
    fetched = await sandbox.http.get(LIST.replace(".json", f"/{message['sid']}.json"), auth=(ACCOUNT, TOKEN))
    assert 30003 == fetched.json()["error_code"]


async def test_messages_are_listed_by_number_and_day(sandbox: Door) -> None:
    for to in (TO, TO, "+14504672318"):
        await sandbox.text(To=to, From=FROM, Body="x")

    async def listed(**query: str) -> int:
        answer = await sandbox.http.get(LIST, params=query, auth=(ACCOUNT, TOKEN))
        return len(answer.json()["messages"])

    assert (3, 2, 0, 1) == (
        await listed(),
        await listed(To=TO),
        await listed(To=TO, From="+15145550000"),
        await listed(PageSize="2", Page="1"),
    )
    assert (0, 3) == (await listed(DateSent="2001-01-01"), await listed(**{"DateSent>": "2001-01-01"}))


async def test_an_inbound_message_is_posted_signed_and_stop_blocks_the_number(
    sandbox: Door, product: Product
) -> None:
    answer = await sandbox.post("inboundSms", {"from": TO, "to": FROM, "body": "Stop "})
    blocked = await sandbox.text(To=TO, From=FROM, Body="x")
    await sandbox.post("inboundSms", {"from": TO, "to": FROM, "body": "START"})
    again = await sandbox.text(To=TO, From=FROM, Body="x")

    assert (200, 400, 21610, 201) == (
        answer["status"],
        blocked.status_code,
        blocked.json()["code"],
        again.status_code,
    )
    got = product.received[0]
    form = dict(parse_qsl(got.raw.decode(), keep_blank_values=True))
    assert ("Stop ", TO, FROM) == (form["Body"], form["From"], form["To"])
    assert twilio_signature(TOKEN, url=f"{product.url}/sms", form=form) == got.headers["x-twilio-signature"]


async def test_a_callback_is_retried_as_its_url_asks(sandbox: Door, product: Product) -> None:
    product.statuses = [500, 500]

    await sandbox.text(To=TO, From=FROM, Body="x", StatusCallback=f"{product.url}/s#rc=2&rp=5xx")

    async def all_came() -> bool:
        return len(product.received) == 4

    await eventually(all_came)
