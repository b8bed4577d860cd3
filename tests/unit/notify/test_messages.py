"""The way of a message, decided without a provider."""

from datetime import UTC, datetime
from itertools import permutations
from uuid import uuid4

import pytest

from services.notify.domain.messages import (
    NOT_CONFIRMED,
    ROUND_SECONDS,
    Message,
    MessageStatus,
    NotSent,
    Verdict,
    may_advance,
    status_of,
    wait_seconds,
)
from services.notify.domain.provider_codes import verdict_of


def message(status: MessageStatus, *, error_code: str = "") -> Message:
    now = datetime.now(UTC)
    return Message(
        id=uuid4(),
        org_id=uuid4(),
        recipient="+15145550199",
        body="x",
        status=status,
        provider_message_id="",
        error_code=error_code,
        attempts=1,
        rounds=0,
        lookups=0,
        alert_id=None,
        traceparent="",
        created_at=now,
        claimed_at=now,
        sent_at=None,
        delivered_at=None,
    )


@pytest.mark.parametrize("order", list(permutations(["queued", "sending", "sent", "delivered"])))
def test_statuses_in_any_order_end_the_same(order: tuple[str, ...]) -> None:
    status = MessageStatus.SENDING
    for word in (*order, *order):
        if may_advance(message(status), status_of(word)):
            status = status_of(word)

    assert MessageStatus.DELIVERED is status


def test_a_word_nobody_knows_says_that_the_provider_has_it() -> None:
    assert MessageStatus.SENT is status_of("partially_delivered")


def test_a_message_given_up_unseen_believes_the_provider() -> None:
    assert may_advance(message(MessageStatus.FAILED, error_code=NOT_CONFIRMED), MessageStatus.SENT)
    assert not may_advance(message(MessageStatus.FAILED, error_code="30003"), MessageStatus.DELIVERED)
    assert not may_advance(message(MessageStatus.SUPPRESSED), MessageStatus.DELIVERED)


@pytest.mark.parametrize(
    ("code", "http_status", "verdict"),
    [
        ("21610", 400, Verdict.OPT_OUT),
        ("20429", 429, Verdict.RETRYABLE),
        ("HTTP_429", 429, Verdict.RETRYABLE),
        ("21611", 400, Verdict.RETRYABLE),
        ("21211", 400, Verdict.PERMANENT),
        ("20003", 401, Verdict.PERMANENT),
        ("99999", 400, Verdict.PERMANENT),
    ],
)
def test_codes_say_whether_to_try_again(code: str, http_status: int, verdict: Verdict) -> None:
    assert verdict is verdict_of(code, http_status=http_status)


def test_the_waits_grow_and_end() -> None:
    refused = NotSent("20429", Verdict.RETRYABLE)
    waits = [wait_seconds(refused, rounds=number) for number in range(len(ROUND_SECONDS) + 1)]

    assert [*ROUND_SECONDS, None] == waits
    assert wait_seconds(NotSent("21211", Verdict.PERMANENT), rounds=0) is None
    assert 120 == wait_seconds(NotSent("20429", Verdict.RETRYABLE, retry_after_seconds=120), rounds=0)
    circuit = NotSent("CIRCUIT_OPEN", Verdict.RETRYABLE, retry_after_seconds=30, tried=False)
    assert 30 == wait_seconds(circuit, rounds=99)
