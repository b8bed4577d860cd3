"""When deliveries are repeated, and when an endpoint is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import json_format
from standardwebhooks import Webhook

from callplane.events.v1 import events_pb2
from services.notify.domain.catalogue import EVENT_TYPES, check_known
from services.notify.domain.signing import secret_of, signature_headers
from services.notify.domain.webhooks import (
    SCHEDULE_SECONDS,
    AttemptError,
    DisabledReason,
    PostResult,
    disabled_reason,
    error_of,
    pause_seconds,
    wait_seconds,
)
from services.notify.errors import EventTypeUnknown

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def failed(status_code: int = 500, *, retry_after: float = 0.0) -> PostResult:
    return PostResult(
        status_code=status_code,
        error=error_of(status_code),
        response_body="",
        duration_ms=1.0,
        retry_after_seconds=retry_after,
    )


def wait(result: PostResult, *, attempts: int, jitter: float = 0.0) -> float | None:
    return wait_seconds(result, attempts=attempts, schedule=SCHEDULE_SECONDS, jitter=jitter)


def test_the_schedule_is_as_published_and_spans_three_days() -> None:
    waits = [wait(failed(), attempts=attempt) for attempt in range(1, 11)]

    assert [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0, 86400.0, 86400.0, None] == waits
    assert 3 < sum(SCHEDULE_SECONDS) / 86400 < 3.5


@pytest.mark.parametrize(("jitter", "seconds"), [(-1.0, 270.0), (1.0, 330.0)])
def test_jitter_is_a_tenth_at_most(jitter: float, seconds: float) -> None:
    assert seconds == pytest.approx(wait(failed(), attempts=2, jitter=jitter))


def test_a_wished_wait_counts_up_to_an_hour() -> None:
    assert 60 == wait(failed(429, retry_after=60), attempts=1)
    assert 3600 == wait(failed(503, retry_after=999999), attempts=1)


def test_what_cannot_get_better_is_not_repeated() -> None:
    refused = PostResult(status_code=0, error=AttemptError.ADDRESS_REFUSED, response_body="", duration_ms=0)

    assert (None, None) == (wait(failed(410), attempts=1), wait(refused, attempts=1))


@pytest.mark.parametrize(
    ("status_code", "error"),
    [
        (200, ""),
        (204, ""),
        (301, "REDIRECTED"),
        (404, "HTTP_STATUS"),
        (500, "HTTP_STATUS"),
        (199, "HTTP_STATUS"),
    ],
)
def test_only_2xx_is_a_delivery(status_code: int, error: str) -> None:
    assert error == error_of(status_code).value


def test_an_endpoint_is_switched_off_when_gone_or_after_five_days() -> None:
    almost, enough = NOW - timedelta(days=5) + timedelta(seconds=1), NOW - timedelta(days=5)

    assert DisabledReason.GONE is disabled_reason(failed(410), failing_since=None, now=NOW)
    assert DisabledReason.FAILING is disabled_reason(failed(), failing_since=enough, now=NOW)
    assert disabled_reason(failed(), failing_since=almost, now=NOW) is None
    assert disabled_reason(failed(200), failing_since=enough, now=NOW) is None


def test_pauses_begin_with_the_fifth_failure_and_grow() -> None:
    assert [0, 30, 60, 120, 240, 300, 300] == [pause_seconds(count) for count in (4, 5, 6, 7, 8, 9, 5000)]


def test_a_signature_verifies_with_each_live_secret_and_no_other() -> None:
    secrets = [secret_of(bytes([number]) * 32) for number in range(3)]
    headers = signature_headers(event_id="e1", at=datetime.now(UTC), body='{"é":1}', secrets=secrets[:2])

    for secret in secrets[:2]:
        assert {"é": 1} == Webhook(secret).verify('{"é":1}', headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secrets[2]).verify('{"é":1}', headers)


@pytest.mark.parametrize("event_type", EVENT_TYPES, ids=lambda one: one.name)
def test_every_example_is_what_its_event_would_say(event_type: object) -> None:
    messages = {
        "call.started": events_pb2.CallStarted,
        "call.ended": events_pb2.CallEnded,
        "call.failed": events_pb2.CallFailed,
        "conversation.updated": events_pb2.ConversationUpdated,
        "transcript.ready": events_pb2.CallReported,
        "lead.created": events_pb2.LeadCreated,
        "lead.sla_breached": events_pb2.LeadSlaBreached,
        "campaign.started": events_pb2.CampaignStarted,
        "campaign.completed": events_pb2.CampaignCompleted,
        "contact.skipped": events_pb2.ContactSkipped,
        "message.sent": events_pb2.MessageSent,
        "message.failed": events_pb2.MessageFailed,
        "endpoint.disabled": events_pb2.EndpointDisabled,
    }
    example = next(one.example for one in EVENT_TYPES if one is event_type)
    message = messages[example["type"]]()

    json_format.ParseDict(example["data"], message)

    assert example["data"] == json_format.MessageToDict(message)


def test_an_unknown_event_type_is_named() -> None:
    with pytest.raises(EventTypeUnknown) as error:
        check_known(["call.ended", "call.exploded"])

    assert "call.exploded" == error.value.metadata["event_type"]
    assert "events[1]" == error.value.violations[0].field
