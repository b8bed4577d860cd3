"""Every webhook of the provider that was ever seen or documented, where the samples are at hand."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.calls.harness import House

SAMPLES = Path(__file__).parents[3] / "../shared/providers/vapi/samples"
FOLDERS = (
    "docs-server-events",
    "docs-campaigns",
    "docs-vapi-skills",
    "vapi4k-2024",
    "keey-2025",
    "whispey-tests",
)


@pytest.fixture
def samples() -> dict[str, bytes]:
    if not SAMPLES.is_dir():
        pytest.skip("the provider's samples are not here")
    files = [path for folder in FOLDERS for path in sorted((SAMPLES / folder).glob("*.json"))]
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in files}


async def test_every_sample_stands_in_the_ledger_and_is_folded(
    house: House, samples: dict[str, bytes]
) -> None:
    stored = await house.post(*samples.values())
    await house.fold_all()

    assert len(samples) == stored == await house.count("provider_events")
    reasons = await house.database.fetch("SELECT DISTINCT reason FROM calls.unparsed_events")
    # Some documented events name no call; everything else is in the record.
    assert {"NO_CALL_ID"} == {row["reason"] for row in reasons}
    nameless = [body for body in samples.values() if not _names_call(json.loads(body))]
    assert len(nameless) == await house.count("unparsed_events")
    assert len(samples) - len(nameless) == await house.count("call_events")


def _names_call(document: dict[str, Any]) -> bool:
    return bool(document["message"].get("call", {}).get("id") or document.get("call", {}).get("id"))


async def test_each_sample_alone(house: House, samples: dict[str, bytes]) -> None:
    for name, body in samples.items():
        assert await house.post(body) == 1, name
        await house.fold_all()

    assert 0 == len(
        await house.database.fetch("SELECT reason FROM calls.unparsed_events WHERE reason <> 'NO_CALL_ID'")
    )


async def test_the_captured_report_of_a_squad(house: House, samples: dict[str, bytes]) -> None:
    await house.told(samples["vapi4k-2024/end-of-call-report.squad.json"])

    call = await house.call("b1223960-1b4d-4585-91b8-a69b0f57ec2f")
    assert ("ENDED", "HUMAN", "INBOUND", "customer-ended-call") == (
        call["status"],
        call["outcome"],
        call["direction"],
        call["ended_reason"],
    )
    assert ("+15550100101", "+15550100102") == (call["customer_number"], call["phone_number"])
    assert (True, True) == (call["success_evaluation"], bool(call["summary"]))
    # The report of 2024 told no cost and no times: unknown is not zero, and times follow from what was said.
    assert call["cost_usd"] is None
    assert "2024-07-27T21:24:05.712000+00:00" == call["ended_at"].isoformat()
    assert 30 < call["duration_seconds"] < 60
    roles = await house.database.fetch("SELECT role, count(*) FROM calls.transcripts GROUP BY role")
    assert {"SYSTEM", "ASSISTANT", "USER", "TOOL"} == {row["role"] for row in roles}
    assert 17 >= call["transcript_lines"] > 10


async def test_the_minimal_modern_report(house: House, samples: dict[str, bytes]) -> None:
    await house.told(samples["whispey-tests/end-of-call-report.minimal-modern.json"])

    call = await house.call("call-abc-123")
    assert ("ENDED", Decimal("0.0250"), 150.0, "asst-001") == (
        call["status"],
        call["cost_usd"],
        call["duration_seconds"],
        call["provider_assistant_id"],
    )
