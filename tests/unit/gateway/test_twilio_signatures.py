"""Twilio's signature over URL and form."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.twilio_signatures import is_signed_body, is_signed_form

VECTORS = (
    Path(__file__).parents[3] / "../shared/providers/vapi/samples/signature-vectors/twilio.json"
).resolve()
URL = "https://hooks.example.com/hooks/twilio/main/sms"
FIELDS = [("From", "+15550100500"), ("Body", "STOP"), ("MessageSid", "SM1")]
TOKEN = b"12345"


def signature(url: str, fields: list[tuple[str, str]], *, token: bytes = TOKEN) -> str:
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token, text.encode(), hashlib.sha1).digest()).decode()


def test_twilio_s_own_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip("the provider's samples are not here")
    vectors: dict[str, Any] = json.loads(VECTORS.read_text())
    token = vectors["auth_token"].encode()

    for vector in vectors["vectors"]:
        if "body" in vector:
            valid = is_signed_body(
                vector["signature"], url=vector["url"], body=vector["body"].encode(), tokens=[token]
            )
        else:
            fields = [tuple(pair) for pair in vector.get("params_list", [])] or list(vector["params"].items())
            valid = is_signed_form(vector["signature"], url=vector["url"], fields=fields, tokens=[token])
        assert vector["valid"] == valid, vector["name"]


@pytest.mark.parametrize(
    "signed_url",
    [
        "https://hooks.example.com/hooks/twilio/main/sms",
        "https://hooks.example.com:443/hooks/twilio/main/sms",
    ],
)
def test_the_standard_port_may_be_told_or_not(signed_url: str) -> None:
    assert is_signed_form(signature(signed_url, FIELDS), url=URL, fields=FIELDS, tokens=[TOKEN])


def test_a_port_of_our_own_may_be_left_out() -> None:
    url = "http://127.0.0.1:8080/hooks/twilio/main/sms"

    for signed_url in (url, url.replace(":8080", "")):
        assert is_signed_form(signature(signed_url, FIELDS), url=url, fields=FIELDS, tokens=[TOKEN])


@pytest.mark.parametrize(
    "given_signature",
    [
        "",
        "x",
        "é" * 28,
        signature(URL, FIELDS, token=b"other"),
        signature(URL, FIELDS[:2]),
        signature(URL + "?x=1", FIELDS),
        signature(URL.replace("https", "http"), FIELDS),
        signature(URL.replace("hooks.example.com", "evil.example.com"), FIELDS),
        signature(URL.replace("/main", "//main"), FIELDS),
        signature(URL.replace("//hooks.example.com", "//hooks.example.com@evil.com"), FIELDS),
        signature(URL.replace(".com/", ".com:1234/"), FIELDS),
    ],
)
def test_everything_else_is_refused(given_signature: str) -> None:
    assert not is_signed_form(given_signature, url=URL, fields=FIELDS, tokens=[TOKEN])


def test_an_empty_token_lets_nobody_in() -> None:
    assert not is_signed_form(signature(URL, FIELDS, token=b""), url=URL, fields=FIELDS, tokens=[b""])


@given(st.text(max_size=40), st.lists(st.tuples(st.text(max_size=5), st.text(max_size=20)), max_size=5))
def test_no_guess_gets_in_and_none_raises(guess: str, fields: list[tuple[str, str]]) -> None:
    assert not is_signed_form(guess, url=URL, fields=fields, tokens=[b"unguessable"])
