"""The signatures are those of the published vectors."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.sandbox.signatures import twilio_signature, vapi_headers

VECTORS = (Path(__file__).parents[3] / "../shared/providers/vapi/samples/signature-vectors").resolve()


def vectors(name: str) -> dict[str, Any]:
    if not (VECTORS / name).is_file():
        pytest.skip("the signature vectors are not at hand")
    return dict(json.loads((VECTORS / name).read_bytes()))


def test_hmac_over_timestamp_and_body() -> None:
    vector = next(v for v in vectors("vapi-hmac.json")["vectors"] if v["name"] == "defaults, ms timestamp")
    milliseconds = vector["vars"]["timestamp"]
    at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)

    headers = vapi_headers("HMAC_TIMESTAMP", secret=vector["secret"], body=vector["body"].encode(), at=at)

    assert {"X-Signature": vector["signature"], "X-Timestamp": milliseconds} == headers


def test_hmac_over_the_body() -> None:
    vector = next(v for v in vectors("vapi-hmac.json")["vectors"] if v["name"] == "body only")

    headers = vapi_headers(
        "HMAC_BODY", secret=vector["secret"], body=vector["body"].encode(), at=datetime.now(UTC)
    )

    assert {"X-Vapi-Signature": vector["signature"]} == headers


def test_twilio_form() -> None:
    file = vectors("twilio.json")
    vector = next(v for v in file["vectors"] if v["name"] == "form")

    signature = twilio_signature(file["auth_token"], url=vector["url"], form=vector["params"])

    assert vector["signature"] == signature


def test_the_secret_itself_or_nothing() -> None:
    at = datetime.now(UTC)

    assert {"X-Vapi-Secret": "s"} == vapi_headers("SHARED_SECRET", secret="s", body=b"", at=at)
    assert {} == vapi_headers("HMAC_BODY", secret="", body=b"", at=at)
