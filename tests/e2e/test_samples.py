"""Every sample payload the provider or its users published is taken, and stands in the ledger."""

import hashlib
import hmac
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.waiting import eventually

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "providers" / "vapi" / "samples"
FOLDERS = (
    "docs-server-events",
    "docs-campaigns",
    "docs-vapi-skills",
    "vapi4k-2024",
    "keey-2025",
    "whispey-tests",
)
FILES = sorted(path for folder in FOLDERS for path in (SAMPLES / folder).glob("*.json"))

pytestmark = pytest.mark.skipif(not FILES, reason="the providers' samples are not at hand")


async def post(stack: Stack, body: bytes) -> int:
    signature = hmac.new(stack.vapi_secret.encode(), body, hashlib.sha256).hexdigest()
    answer = await stack.http.post(stack.vapi_path, content=body, headers={"x-vapi-signature": signature})
    return answer.status_code


async def test_every_sample_is_answered_and_stands_in_the_ledger(stack: Stack) -> None:
    before = len(await stack.api.every("/v2/providerEvents", "providerEvents"))
    for path in FILES:
        assert 200 == await post(stack, path.read_bytes()), path.name

    # A late webhook of an earlier story may be among them too.
    assert len(FILES) <= len(await stack.api.every("/v2/providerEvents", "providerEvents")) - before

    async def looked_into() -> bool:
        return not await stack.api.every("/v2/providerEvents", "providerEvents", state="PENDING")

    await eventually(looked_into)


async def test_the_captured_end_report_is_an_ended_call(stack: Stack) -> None:
    provider_call_id = "b1223960-1b4d-4585-91b8-a69b0f57ec2f"
    assert 200 == await post(stack, (SAMPLES / "vapi4k-2024" / "end-of-call-report.squad.json").read_bytes())

    async def ended() -> dict[str, object] | None:
        calls = await stack.api.every("/v2/calls", "calls")
        return next(
            (c for c in calls if c["providerCallId"] == provider_call_id and c["status"] == "ENDED"), None
        )

    call = await eventually(ended)

    assert "customer-ended-call" == call["endedReason"]
    transcript = await stack.api.get(f"/v2/calls/{call['id']}/transcript")
    assert "Transfer to assistant 2." in [line["message"] for line in transcript["lines"]]
    assert call["successEvaluation"] is True
