"""How webhooks prove where they come from: known vectors, and everything that must not get in."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.signatures import (
    Scheme,
    SignatureSettings,
    SignedRequest,
    headers_by_name,
    is_recent,
    is_signed,
)

SECRET = b"s3cret"
BODY = b'{"message":{"type":"hang"}}'
NOW = 1785983686.0
DEFAULTS = SignatureSettings()
SAMPLES = (Path(__file__).parents[3] / "../shared/providers/vapi/samples/signature-vectors").resolve()


def check(
    headers: Sequence[tuple[str, str]],
    *schemes: Scheme,
    body: bytes = BODY,
    secret: bytes = SECRET,
    now: float = NOW,
    settings: SignatureSettings = DEFAULTS,
) -> bool:
    request = SignedRequest(headers=headers_by_name(headers), body=body)
    return is_signed(request, schemes, settings=settings, secrets=[secret], now=now)


def digest(message: bytes = BODY, *, algorithm: str = "sha256", secret: bytes = SECRET) -> bytes:
    return hmac.new(secret, message, algorithm).digest()


def vectors() -> list[Any]:
    path = SAMPLES / "vapi-hmac.json"
    return json.loads(path.read_text())["vectors"] if path.exists() else []


@pytest.mark.parametrize(
    "name",
    [
        "defaults, ms timestamp",
        "defaults, s timestamp",
        "body only",
        "sha512",
        "sha1 + prefix",
        "svix style, base64",
    ],
)
def test_the_provider_s_vectors(name: str) -> None:
    """IN-1: everything the provider's credentials can be set to, but its method and URL in the payload."""
    found = [vector for vector in vectors() if vector["name"] == name]
    if not found:
        pytest.skip("the provider's samples are not here")
    [vector] = found
    with_time = "{timestamp}" in vector["payloadFormat"]
    headers = [
        ("X-Signature", vector["signature"]),
        ("X-Timestamp", vector["vars"]["timestamp"]),
        ("svix-id", vector["vars"].get("svix-id", "")),
    ]
    seconds = float(vector["vars"]["timestamp"]) / (1000 if len(vector["vars"]["timestamp"]) > 10 else 1)

    assert check(
        headers,
        Scheme.HMAC_TIMESTAMP if with_time else Scheme.HMAC_BODY,
        body=vector["body"].encode(),
        secret=vector["secret"].encode(),
        now=seconds,
        settings=SignatureSettings(
            signature_header="X-Signature",
            algorithm=vector["algorithm"],
            prefix=vector["signaturePrefix"],
            encoding=vector["signatureEncoding"],
            payload_format=vector["payloadFormat"],
            secret_encoding="base64" if vector["secretIsBase64"] else "",
        ),
    )


RIGHT = digest().hex()
TABLE: list[tuple[str, list[tuple[str, str]], Scheme, dict[str, str], bool]] = [
    ("right", [("X-Vapi-Signature", RIGHT)], Scheme.HMAC_BODY, {}, True),
    ("header in any case", [("x-VAPI-signature", RIGHT)], Scheme.HMAC_BODY, {}, True),
    ("upper case hex", [("x-vapi-signature", RIGHT.upper())], Scheme.HMAC_BODY, {}, True),
    ("with sha256=", [("x-vapi-signature", f"sha256={RIGHT}")], Scheme.HMAC_BODY, {}, True),
    ("none", [], Scheme.HMAC_BODY, {}, False),
    ("empty", [("x-vapi-signature", "")], Scheme.HMAC_BODY, {}, False),
    ("prefix alone", [("x-vapi-signature", "sha256=")], Scheme.HMAC_BODY, {}, False),
    ("of another body", [("x-vapi-signature", digest(b"other").hex())], Scheme.HMAC_BODY, {}, False),
    ("of another secret", [("x-vapi-signature", digest(secret=b"other").hex())], Scheme.HMAC_BODY, {}, False),
    ("cut", [("x-vapi-signature", RIGHT[:-2])], Scheme.HMAC_BODY, {}, False),
    ("garbage", [("x-vapi-signature", "v1,%%%not base64%%%")], Scheme.HMAC_BODY, {}, False),
    ("not ASCII", [("x-vapi-signature", "é" * 64)], Scheme.HMAC_BODY, {}, False),
    ("twice", [("x-vapi-signature", RIGHT), ("x-vapi-signature", RIGHT)], Scheme.HMAC_BODY, {}, False),
    ("10,000 of them", [("x-vapi-signature", ",".join([RIGHT] * 10_000))], Scheme.HMAC_BODY, {}, False),
    ("another header", [("x-signature", RIGHT)], Scheme.HMAC_BODY, {}, False),
    ("configured header", [("x-mine", RIGHT)], Scheme.HMAC_BODY, {"signature_header": "X-Mine"}, True),
    ("configured prefix", [("x-vapi-signature", f"v1={RIGHT}")], Scheme.HMAC_BODY, {"prefix": "v1="}, True),
    ("configured prefix missing", [("x-vapi-signature", RIGHT)], Scheme.HMAC_BODY, {"prefix": "v1="}, False),
    (
        "base64",
        [("x-vapi-signature", base64.b64encode(digest()).decode())],
        Scheme.HMAC_BODY,
        {"encoding": "base64"},
        True,
    ),
    (
        "hex where base64 is set",
        [("x-vapi-signature", RIGHT)],
        Scheme.HMAC_BODY,
        {"encoding": "base64"},
        False,
    ),
    (
        "sha512",
        [("x-vapi-signature", digest(algorithm="sha512").hex())],
        Scheme.HMAC_BODY,
        {"algorithm": "sha512"},
        True,
    ),
    ("secret", [("X-Vapi-Secret", "s3cret")], Scheme.SHARED_SECRET, {}, True),
    ("wrong secret", [("X-Vapi-Secret", "s3cre")], Scheme.SHARED_SECRET, {}, False),
    ("empty secret", [("X-Vapi-Secret", "")], Scheme.SHARED_SECRET, {}, False),
    ("secret twice", [("X-Vapi-Secret", "s3cret"), ("X-Vapi-Secret", "x")], Scheme.SHARED_SECRET, {}, False),
    ("bearer", [("Authorization", "Bearer s3cret")], Scheme.BEARER, {}, True),
    ("bearer in small letters", [("authorization", "bearer s3cret")], Scheme.BEARER, {}, True),
    ("basic", [("Authorization", "Basic s3cret")], Scheme.BEARER, {}, False),
    ("bearer of another", [("Authorization", "Bearer other")], Scheme.BEARER, {}, False),
    ("twilio does not sign bodies", [("x-twilio-signature", RIGHT)], Scheme.TWILIO, {}, False),
]


@pytest.mark.parametrize(
    ("headers", "scheme", "settings", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_signatures(
    headers: list[tuple[str, str]], scheme: Scheme, settings: dict[str, str], expected: bool
) -> None:
    assert expected == check(headers, scheme, settings=SignatureSettings(**settings))


def test_any_of_several_schemes_lets_in() -> None:
    schemes = (Scheme.HMAC_BODY, Scheme.HMAC_TIMESTAMP, Scheme.SHARED_SECRET)

    assert check([("x-vapi-secret", "s3cret")], *schemes)
    assert not check([("authorization", "Bearer s3cret")], *schemes)


def test_an_empty_secret_lets_nobody_in() -> None:
    headers = [
        ("x-vapi-signature", digest(secret=b"").hex()),
        ("x-vapi-secret", ""),
        ("authorization", "Bearer "),
    ]

    assert not check(headers, *Scheme, secret=b"")


@pytest.mark.parametrize("milliseconds", [False, True])
@pytest.mark.parametrize(
    ("offset", "expected"), [(0, True), (-300, True), (300, True), (-301, False), (301, False)]
)
def test_a_timestamp_is_good_for_300_seconds(offset: int, expected: bool, milliseconds: bool) -> None:
    """B2: to the second, in both units."""
    timestamp = str(int(NOW + offset) * (1000 if milliseconds else 1))
    headers = [("x-signature", digest(timestamp.encode() + b"." + BODY).hex()), ("x-timestamp", timestamp)]

    assert expected == check(headers, Scheme.HMAC_TIMESTAMP)


def test_the_timestamp_is_part_of_what_is_signed() -> None:
    headers = [("x-signature", digest(b"1785983686." + BODY).hex()), ("x-timestamp", "1785983687")]

    assert not check(headers, Scheme.HMAC_TIMESTAMP)


@given(st.integers(min_value=-1000, max_value=1000), st.booleans())
def test_the_window_is_the_same_in_both_units(offset: int, milliseconds: bool) -> None:
    """B2: nothing but the distance from now counts."""
    timestamp = str((int(NOW) + offset) * (1000 if milliseconds else 1))

    assert (abs(offset) <= 300) == is_recent(timestamp, now=NOW)


@pytest.mark.parametrize("now", [NOW, NOW + 0.999])
def test_milliseconds_are_not_cut_off(now: float) -> None:
    """B2: 300.001 seconds are too many."""
    timestamp = str(round(now * 1000) - 300_001)

    assert not is_recent(timestamp, now=now)
    assert is_recent(str(round(now * 1000) - 300_000), now=now)


def test_each_of_two_secrets_lets_in_and_no_third() -> None:
    """IN-1: while a secret is rotated."""
    request = SignedRequest(headers={"x-vapi-secret": ["old"]}, body=BODY)

    def signed(*secrets: bytes) -> bool:
        return is_signed(request, [Scheme.SHARED_SECRET], settings=DEFAULTS, secrets=secrets, now=NOW)

    assert [True, True, False, False] == [
        signed(b"old", b"new"), signed(b"new", b"old"), signed(b"new"), signed()
    ]  # fmt: skip


@given(st.text(max_size=40))
def test_any_timestamp_is_judged_without_raising(timestamp: str) -> None:
    assert is_recent(timestamp, now=NOW) in (True, False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["x-vapi-signature", "x-signature", "x-timestamp", "x-vapi-secret", "authorization"]
            ),
            st.text(max_size=80),
        )
    ),
    st.binary(max_size=50),
)
def test_no_guess_gets_in_and_none_raises(headers: list[tuple[str, str]], body: bytes) -> None:
    secret = hashlib.sha256(b"unguessable").digest()

    assert not check(headers, *Scheme, body=body, secret=secret)
