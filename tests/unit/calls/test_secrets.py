"""What providers echo and nobody may store."""

import json

import pytest

from services.calls.domain.secrets import REDACTED, stripped

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    "key",
    [
        "secret", "serverUrlSecret", "twilioAuthToken", "authToken", "apiKey", "api_key", "X-Vapi-Secret",
        "Authorization", "authorization", "token", "access_token", "password", "Password", "clientSecret",
        "X-Api-Key",
    ],
)  # fmt: skip
def test_values_of_secret_keys_go_wherever_they_stand(key: str) -> None:
    body = json.dumps(
        {"message": {"type": "x", "deep": [{"a": {key: "s3cr3t-value"}}], "kept": "kept"}}
    ).encode()

    found = json.loads(stripped(body))

    assert REDACTED == found["message"]["deep"][0]["a"][key]
    assert "kept" == found["message"]["kept"]
    assert b"s3cr3t-value" not in stripped(body)


@pytest.mark.parametrize("value", [{"a": "s3cr3t"}, ["s3cr3t"], 123456])
def test_values_of_any_kind_go(value: object) -> None:
    found = json.loads(stripped(json.dumps({"apiKey": value}).encode()))

    assert {"apiKey": REDACTED} == found


def test_a_body_without_secrets_stays_byte_for_byte() -> None:
    body = b'{ "message" : {"llmPromptTokens": 5, "tokens": 7, "secretary": "Ann", "twilioAuthToken": null} }'

    assert stripped(body) == body


def test_escaped_keys_are_found() -> None:
    body = b'{"sec\\u0072et": "s3cr3t-value"}'

    assert {"secret": REDACTED} == json.loads(stripped(body))


def test_json_inside_text_is_looked_into() -> None:
    arguments = json.dumps({"city": "Laval", "password": "s3cr3t-value"})

    found = json.loads(stripped(json.dumps({"arguments": arguments}).encode()))

    assert {"city": "Laval", "password": REDACTED} == json.loads(found["arguments"])


def test_web_tokens_go_under_any_key() -> None:
    found = json.loads(stripped(json.dumps({"metadata": {"session": f"Bearer {TOKEN}"}}).encode()))

    assert f"Bearer {REDACTED}" == found["metadata"]["session"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"message": {"server": {"secret": "s3cr3t-value"}, "trunc',
        b'{"secret" : "s3cr3t-value',
        b'{"X-Vapi-Secret":"s3cr3t-value", "bad": NaN}',
        b'{"twilioAuthToken": 53678910111213, "bad": NaN}'.replace(b"53678910111213", b'"s3cr3t-value"'),
        b'{"password": "a\\"s3cr3t-value", "x": ' + b"[" * 5000,
    ],
)
def test_bodies_that_cannot_be_parsed_lose_their_secrets_too(body: bytes) -> None:
    found = stripped(body)

    assert b"s3cr3t-value" not in found
    assert REDACTED.encode() in found


def test_web_tokens_in_unparsable_bodies_go() -> None:
    assert TOKEN.encode() not in stripped(b'{"x": "' + TOKEN.encode() + b'", NaN')


@pytest.mark.parametrize("depth", [100, 300, 500, 900])
@pytest.mark.parametrize("opening", ['{"a":', "["])
def test_deep_bodies_lose_their_secrets_too(depth: int, opening: str) -> None:
    """B14: as deep as the parser goes; such a body must not fail, and with it every other of its batch."""
    closing = "}" if opening.startswith("{") else "]"
    body = f'{{"x": {opening * depth}{{"apiKey": "s3cr3t"}}{closing * depth}}}'.encode()

    found = stripped(body)

    assert b"s3cr3t" not in found
    assert body.replace(b"s3cr3t", REDACTED.encode()).replace(b" ", b"") == found


@pytest.mark.parametrize(
    "number", ["1" + "0" * 30, "-1" + "0" * 30, "9" * 4000, "1e300", "18446744073709551616"]
)
def test_numbers_of_any_size_stand_beside_secrets(number: str) -> None:
    """B14: more digits than a machine word holds."""
    found = stripped(f'{{"apiKey": "s3cr3t", "n": {number}}}'.encode())

    assert {"apiKey": REDACTED, "n": json.loads(number)} == json.loads(found)


@pytest.mark.parametrize("filler", ['"' + "\\u20ac" * 5 + '"', '"\\ud83d\\ude42"', "[1e308, -0.0]", "{}"])
def test_what_is_no_secret_stays_what_it_was(filler: str) -> None:
    """B13: escapes, emoji and odd numbers beside a secret."""
    found = json.loads(stripped(f'{{"token": "s3cr3t", "kept": {filler}}}'.encode()))

    assert {"token": REDACTED, "kept": json.loads(filler)} == found
