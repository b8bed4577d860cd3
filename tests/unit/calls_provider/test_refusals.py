"""Vapi's refusals, as far as its answers are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.calls.vapi.refusals import messages, refusal

SAMPLES = (Path(__file__).parents[3] / "../shared/providers/vapi/samples/rest-errors").resolve()


@pytest.mark.parametrize(
    ("status", "text", "reason", "infrastructure"),
    [
        (400, ["customer.number must be a valid phone number in the E.164 format."], "INVALID_NUMBER", False),
        (400, ["customer.name must be shorter than or equal to 40 characters"], "INVALID_CUSTOMER", False),
        (400, "Over Concurrency Limit.", "OVER_CONCURRENCY", True),
        (400, "Couldn't Get Assistant. `assistantId` x Does Not Exist.", "ASSISTANT_NOT_FOUND", True),
        (404, "Assistant not found", "ASSISTANT_NOT_FOUND", True),
        (400, "Couldn't Get Phone Number. `phoneNumberId` x Does Not Exist.", "PHONE_NUMBER_REFUSED", True),
        (400, "Numbers Bought On Vapi Have A Daily Outbound Call Limit.", "NUMBER_DAILY_LIMIT", True),
        (400, "Wallet Balance is -0.12. Purchase More Credits.", "PROVIDER_PAYMENT_REQUIRED", True),
        (402, "whatever", "PROVIDER_PAYMENT_REQUIRED", True),
        (401, "Invalid Key.", "PROVIDER_UNAUTHORIZED", True),
        (429, "Rate limit exceeded", "RATE_LIMITED", True),
        (422, None, "PROVIDER_REFUSED", True),
        (400, {"not": "a text"}, "PROVIDER_REFUSED", True),
    ],
)
def test_each_refusal_has_a_reason_and_a_side(
    status: int, text: Any, reason: str, infrastructure: bool
) -> None:
    refused = refusal(status, {"message": text}, retry_after_seconds=3)

    assert (refused.reason, refused.infrastructure, refused.retry_after_seconds) == (
        reason,
        infrastructure,
        3,
    )


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("POST-call.400.e164.json", "INVALID_NUMBER"),
        ("POST-call.400.over-concurrency.json", "OVER_CONCURRENCY"),
    ],
)
def test_recorded_refusals_are_recognized(file: str, reason: str) -> None:
    if not (SAMPLES / file).is_file():
        pytest.skip("the provider's samples are not at hand")
    document = json.loads((SAMPLES / file).read_text(encoding="utf-8"))

    assert refusal(400, document, retry_after_seconds=0).reason == reason


@pytest.mark.parametrize("document", [None, [], "text", {}, {"message": 7}, {"message": [None, {}]}])
def test_an_answer_of_any_shape_gives_no_texts_but_no_error_either(document: Any) -> None:
    assert messages(document) == []
    assert refusal(400, document, retry_after_seconds=0).reason == "PROVIDER_REFUSED"
