"""POST /hooks/twilio/{source}/...: texts, what became of texts, and calls."""

from urllib.parse import urlencode

import httpx
import pytest

from libs.errors import InvalidArgument
from libs.rpc import PeerError
from tests.integration.gateway.harness import Gateway, signed_by_twilio

SMS = "/hooks/twilio/twilio-main/sms"
STATUS = "/hooks/twilio/twilio-main/sms-status"
VOICE = "/hooks/twilio/twilio-main/voice"
TEXT = {
    "MessageSid": "SM1",
    "From": "+15550100500",
    "To": "+15550100501",
    "Body": "Arrêt 🙂 & <b>",
    "NumMedia": "0",
}
DELIVERY = {
    "MessageSid": "SM1",
    "SmsSid": "SM1",
    "MessageStatus": "undelivered",
    "ErrorCode": "30003",
    "To": "+1",
}
FORM = "application/x-www-form-urlencoded"


async def send(
    gateway: Gateway, path: str, fields: dict[str, str], headers: dict[str, str] | None = None
) -> httpx.Response:
    signature = signed_by_twilio(path, fields) if headers is None else headers
    return await gateway.http.post(
        path, content=urlencode(fields), headers={"content-type": FORM, **signature}
    )


async def test_a_text_reaches_notify_and_its_reply_the_sender(gateway: Gateway) -> None:
    gateway.peers.notify.reply = "You are <out> & done."

    answer = await send(gateway, SMS, TEXT)

    assert (200, "text/xml; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "<Response><Message>You are &lt;out&gt; &amp; done.</Message></Response>" in answer.text
    [message] = gateway.peers.notify.messages
    assert (str(gateway.org_id), "SM1", TEXT["Body"]) == (
        message.org_id,
        message.provider_message_id,
        message.body,
    )
    assert ("+15550100500", "+15550100501") == (getattr(message, "from"), message.to)


async def test_nul_in_a_text_does_not_hide_the_rest_of_it(gateway: Gateway) -> None:
    assert 200 == (await send(gateway, SMS, {**TEXT, "Body": "\0STOP\0"})).status_code

    assert ["STOP"] == [message.body for message in gateway.peers.notify.messages]


async def test_no_reply_is_an_empty_response(gateway: Gateway) -> None:
    assert (await send(gateway, SMS, TEXT)).text.endswith("<Response></Response>")


async def test_what_became_of_a_text_reaches_notify(gateway: Gateway) -> None:
    assert 204 == (await send(gateway, STATUS, DELIVERY)).status_code

    [status] = gateway.peers.notify.statuses
    assert ("SM1", "undelivered", "30003") == (status.provider_message_id, status.status, status.error_code)


async def test_our_own_id_of_a_text_comes_back_in_the_url(gateway: Gateway) -> None:
    ours = "0190f5a2-7c1e-7d4b-9c55-0d3f1f3b8a01"

    assert 204 == (await send(gateway, f"{STATUS}?message={ours}", DELIVERY)).status_code

    assert [ours] == [status.message_id for status in gateway.peers.notify.statuses]


async def test_the_query_is_part_of_what_is_signed(gateway: Gateway) -> None:
    path = f"{STATUS}?attempt=7&x=%C3%A9"

    assert 204 == (await send(gateway, path, DELIVERY)).status_code
    assert 403 == (await send(gateway, path + "1", DELIVERY, signed_by_twilio(path, DELIVERY))).status_code


async def test_a_wrong_signature_is_forbidden_and_reaches_nobody(gateway: Gateway) -> None:
    changed = {**TEXT, "Body": "START"}
    right = signed_by_twilio(SMS, TEXT)
    cases = {
        "none": {},
        "garbage": {"x-twilio-signature": "garbage"},
        "of other fields": signed_by_twilio(SMS, changed),
        "of another path": signed_by_twilio(STATUS, TEXT),
        "of another host": signed_by_twilio(SMS, TEXT, base="https://evil.example.com"),
        "of the host the request claims": {
            **signed_by_twilio(SMS, TEXT, base="https://evil.example.com"),
            "host": "evil.example.com",
            "x-forwarded-host": "evil.example.com",
            "x-forwarded-proto": "https",
        },
    }

    for name, headers in cases.items():
        answer = await send(gateway, SMS, TEXT, headers)
        assert 403 == answer.status_code, name
        assert "SIGNATURE_INVALID" == answer.json()["details"][0]["reason"]
    assert 403 == (await send(gateway, SMS, changed, right)).status_code
    assert [] == gateway.peers.notify.messages


async def test_the_standard_port_in_the_signed_url_does_not_matter(gateway: Gateway) -> None:
    with_port = signed_by_twilio(SMS, TEXT, base="https://hooks.example.com:443")

    assert 200 == (await send(gateway, SMS, TEXT, with_port)).status_code


async def test_a_call_is_kept_and_told_that_nobody_is_there(gateway: Gateway) -> None:
    fields = {"CallSid": "CA1", "From": "+15550100500", "To": "+15550100501"}

    answer = await send(gateway, VOICE, fields)

    assert 200 == answer.status_code
    assert "<Hangup/>" in answer.text
    assert ["twilio"] == [event.provider for event in gateway.peers.calls.events]


@pytest.mark.parametrize(("path", "fields"), [(SMS, TEXT), (STATUS, DELIVERY)])
async def test_while_notify_is_away_twilio_is_to_send_again(
    gateway: Gateway, path: str, fields: dict[str, str]
) -> None:
    gateway.peers.notify.fail_with = PeerError()

    answer = await send(gateway, path, fields)

    assert (503, "1") == (answer.status_code, answer.headers["retry-after"])


async def test_what_notify_cannot_make_sense_of_is_not_sent_again(gateway: Gateway) -> None:
    gateway.peers.notify.fail_with = InvalidArgument()

    assert 204 == (await send(gateway, STATUS, {"To": "+1"})).status_code
    assert 200 == (await send(gateway, SMS, {"To": "+1"})).status_code


async def test_other_bodies_are_refused(gateway: Gateway) -> None:
    async def status(body: bytes, content_type: str = FORM, **headers: str) -> int:
        sent = {"content-type": content_type, **headers}
        return (await gateway.http.post(SMS, content=body, headers=sent)).status_code

    assert 415 == await status(b"<a/>", "text/xml")
    assert 415 == await status(b"a=b", **{"content-encoding": "gzip"})
    assert 413 == await status(b"a=" + b"b" * 300_000)
    assert 400 == await status(b"&".join(b"a%d=b" % n for n in range(2000)))
    assert 400 == await status(b"a=%ff%fe")
    assert 400 == await status(b"a=\xff")
    assert 403 == await status(b"{}", "application/json")
    assert (
        404
        == (
            await gateway.http.post(
                "/hooks/twilio/vapi-main/sms", content=b"", headers={"content-type": FORM}
            )
        ).status_code
    )
