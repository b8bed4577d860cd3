"""Who claims to have called another address than the configured one, and who says again what was said."""

import base64
import hashlib
import hmac
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.raw_http import Exchange, exchange, head
from tests.support.stack import Stack

SENDER = "+14182607301"
EVIL = "https://evil.example.com"


class Twilio:
    """Signs as Twilio does, over whatever URL it is told."""

    def __init__(self, stack: Stack) -> None:
        source = stack.ready["sources"]["twilio"]
        self.url, self.token = str(source["url"]), str(source["secret"])
        self.path, self.origin = urlsplit(self.url).path, self.url.removesuffix(urlsplit(self.url).path)
        self.port = urlsplit(stack.public_url).port or 0

    def signature(self, url: str, fields: dict[str, str]) -> str:
        text = url + "".join(name + fields[name] for name in sorted(fields))
        digest = hmac.new(self.token.encode(), text.encode(), hashlib.sha1).digest()
        return base64.b64encode(digest).decode()

    async def send(
        self, target: str, fields: dict[str, str], *headers: str, signed_url: str, host: str = "x"
    ) -> Exchange:
        body = urlencode(fields).encode()
        request = head(
            target,
            f"Host: {host}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            f"X-Twilio-Signature: {self.signature(signed_url, fields)}",
            "Connection: close",
            *headers,
        )
        return await exchange(self.port, request, [body], silence_seconds=0.5)


@pytest.fixture
def twilio(stack: Stack) -> Twilio:
    return Twilio(stack)


def text(sid: str, body: str = "hello") -> dict[str, str]:
    return {"MessageSid": sid, "From": SENDER, "To": "+14182600000", "Body": body}


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("evil.example.com", []),
        ("evil.example.com:443", []),
        ("x", ["X-Forwarded-Host: evil.example.com"]),
        ("x", ["X-Forwarded-Host: evil.example.com", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443"]),
        ("x", ["Forwarded: host=evil.example.com;proto=https"]),
        ("x", ["X-Original-URL: https://evil.example.com/", "X-Rewrite-URL: /"]),
        ("evil.example.com", ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"]),
        ("127.0.0.1@evil.example.com", []),
    ],
)
async def test_the_signature_is_never_computed_over_what_the_request_claims(
    twilio: Twilio, host: str, headers: list[str]
) -> None:
    """B4: a signature that fits the claim is 403; one that fits the configured URL is good whatever is
    claimed."""
    path, fields = twilio.path + "/sms", text(f"SM-{abs(hash((host, *headers)))}")
    forged = await twilio.send(path, fields, *headers, signed_url=f"{EVIL}{path}", host=host)
    right = await twilio.send(path, fields, *headers, signed_url=f"{twilio.url}/sms", host=host)

    assert [403] == forged.statuses
    # A host that is none may be refused before anybody looks.
    assert right.statuses in ([200], [400])


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.com{path}",
        "/{path}",
        "https://evil.example.com{path}",
        "http://x@evil.example.com{path}",
        "@evil.example.com{path}",
        "{path}/../sms",
        "{path}%2f..%2fsms",
        "{path}%00",
        "{path};x=1",
        "{path}?x=@evil.example.com",
        "/hooks/twilio/..%2f..{path}",
    ],
)
async def test_no_way_of_writing_the_path_changes_what_is_signed(twilio: Twilio, target: str) -> None:
    """B4: `//`, `@evil`, absolute targets, encoded slashes: what the target seems to be is not believed."""
    path = twilio.path + "/sms"
    written, fields = target.format(path=path), text(f"SM-{abs(hash(target))}")
    claimed = written if "://" in written else f"{EVIL}{written}"

    for signed_url in (claimed, f"{twilio.origin}{written}x", f"{EVIL}{path}"):
        found = await twilio.send(written, fields, signed_url=signed_url)
        assert set(found.statuses) <= {400, 401, 403, 404}, (written, signed_url)


@pytest.mark.parametrize(("port", "status"), [("", 200), (":{port}", 200), (":1234", 403), (":0", 403)])
async def test_only_the_configured_port_may_be_left_out(twilio: Twilio, port: str, status: int) -> None:
    """B4: Twilio signs some URLs without their port."""
    bare = f"http://{urlsplit(twilio.url).hostname}"
    url = bare + port.format(port=urlsplit(twilio.url).port) + twilio.path + "/sms"
    found = await twilio.send(twilio.path + "/sms", text(f"SM-port-{status}{port}"), signed_url=url)

    assert [status] == found.statuses


async def test_a_text_said_again_days_later_has_no_effect(stack: Stack, twilio: Twilio) -> None:
    """B3: Twilio's signature holds for ever. STOP, then START, then the old STOP: it stays at START."""
    path, url = twilio.path + "/sms", f"{twilio.url}/sms"
    stop, start = text("SM-stop", "STOP"), text("SM-start", "START")

    async def suppressed() -> int:
        found = await stack.api.every("/v2/suppressions", "suppressions", phoneNumber=SENDER)
        return len(found)

    assert [200] == (await twilio.send(path, stop, signed_url=url)).statuses
    assert 1 == await suppressed()
    assert [200] == (await twilio.send(path, start, signed_url=url)).statuses
    assert 0 == await suppressed()
    assert [200] == (await twilio.send(path, stop, signed_url=url)).statuses
    assert 0 == await suppressed()


async def test_a_call_told_again_stands_in_the_ledger_once(stack: Stack, twilio: Twilio) -> None:
    """B3: the same for a call."""
    fields = {"CallSid": "CA-again", "CallStatus": "ringing", "From": SENDER, "To": "+14182600000"}

    async def kept() -> int:
        events = await stack.api.every("/v2/providerEvents", "providerEvents")
        return sum(event["provider"] == "twilio" for event in events)

    before = await kept()
    for _ in range(3):
        found = await twilio.send(twilio.path + "/voice", fields, signed_url=f"{twilio.url}/voice")
        assert [200] == found.statuses
    assert before + 1 == await kept()
