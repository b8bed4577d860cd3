"""What the provider shows about a call, as a message."""

from typing import Any

import msgspec
import pytest

from services.calls.domain import synthesis
from services.calls.domain.placement import ProviderCall


def shown(status: str, **fields: Any) -> ProviderCall:
    document = {"id": "p", "status": status, "createdAt": "2026-11-01T10:00:00.000Z", "cost": 0, **fields}
    return ProviderCall(
        id="p", status=status, name="", metadata={}, created_at=None, control_url="", document=document
    )


def test_an_ended_call_becomes_a_report_told_when_the_provider_last_changed_it() -> None:
    message = synthesis.message(
        shown("ended", updatedAt="2026-11-01T10:05:00.000Z", endedReason="customer-busy", monitor={"x": 1}),
        known_status="QUEUED",
    )

    assert message is not None
    assert (message["type"], message["endedReason"], message["timestamp"]) == (
        "end-of-call-report",
        "customer-busy",
        1793527500000,
    )
    assert message["call"] == {"id": "p", "createdAt": "2026-11-01T10:00:00.000Z"}
    assert msgspec.json.decode(synthesis.body(message))["message"]["type"] == "end-of-call-report"


@pytest.mark.parametrize(
    ("known", "told", "news"),
    [
        ("QUEUED", "ringing", "ringing"),
        ("QUEUED", "forwarding", "in-progress"),
        ("RINGING", "in-progress", "in-progress"),
        ("IN_PROGRESS", "in-progress", None),
        ("IN_PROGRESS", "ringing", None),
        ("RINGING", "queued", None),
        ("QUEUED", "queued", None),
        ("QUEUED", "something-new", None),
    ],
)
def test_only_a_step_forward_is_news(known: str, told: str, news: str | None) -> None:
    message = synthesis.message(shown(told), known_status=known)

    assert (message["status"] if message else None) == news


@pytest.mark.parametrize("told_at", [None, 7, "yesterday", ""])
def test_a_time_that_cannot_be_read_falls_back(told_at: Any) -> None:
    message = synthesis.message(shown("ended", updatedAt=told_at), known_status="QUEUED")

    assert message is not None
    assert message["timestamp"] == 1793527200000
