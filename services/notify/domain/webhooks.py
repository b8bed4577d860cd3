"""Customers' endpoints and what happens to events on their way there.

    PENDING -> DELIVERED
       \\-> RETRYING -> DELIVERED
               \\-> EXHAUSTED        after the last wait of the schedule, or at once where a retry is
               pointless

An endpoint that fails repeatedly is paused for a moment and then tried with one delivery; one that answers
410, or has only failed for five days, is switched off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

# Waits before each attempt, about three days in all.
SCHEDULE_SECONDS: Final = (0.0, 5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 36000.0, 86400.0, 86400.0)
RETRY_AFTER_SECONDS_MAX: Final = 3600.0
ROTATION_OVERLAP: Final = timedelta(hours=24)
FAILING_MAX: Final = timedelta(days=5)
FAILURES_MAX: Final = 5
PAUSE_SECONDS: Final = 30.0
RESPONSE_CHARACTERS_MAX: Final = 4096

TEST_EVENT: Final = "webhook.test"
GONE: Final = 410


class DeliveryStatus(StrEnum):
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    RETRYING = "RETRYING"
    EXHAUSTED = "EXHAUSTED"


class DisabledReason(StrEnum):
    GONE = "GONE"
    FAILING = "FAILING"


class AttemptError(StrEnum):
    """What went wrong with one request."""

    NONE = ""
    TIMEOUT = "TIMEOUT"
    NAME_NOT_FOUND = "NAME_NOT_FOUND"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    TLS_FAILED = "TLS_FAILED"
    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    REDIRECTED = "REDIRECTED"
    HTTP_STATUS = "HTTP_STATUS"
    # Nothing was sent: no secret can be opened to sign it with.
    NOT_SIGNED = "NOT_SIGNED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    id: UUID
    org_id: UUID
    url: str
    events: tuple[str, ...]
    assistant_id: str
    enabled: bool
    disabled_reason: str
    failing_since: datetime | None
    failures: int
    last_delivery_at: datetime | None
    last_status: int
    last_error: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    number: int
    status_code: int
    error: str
    response_body: str
    duration_ms: float
    attempted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    id: UUID
    webhook_id: UUID
    event_id: UUID
    event_type: str
    status: DeliveryStatus
    next_attempt_at: datetime | None
    created_at: datetime
    delivered_at: datetime | None
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """A delivery that is ours to attempt until its lease ends. The attempt is counted already."""

    id: UUID
    org_id: UUID
    webhook_id: UUID
    event_id: UUID
    event_time: datetime
    event_type: str
    body: str
    traceparent: str
    attempts: int
    lease: UUID
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicEvent:
    """An event as customers get it. `body` is the exact text that is signed and sent."""

    id: UUID
    org_id: UUID
    name: str
    subject: str
    time: datetime
    body: str
    assistant_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostResult:
    """What came of one request; `status_code` is 0 without an answer."""

    status_code: int
    error: AttemptError
    response_body: str
    duration_ms: float
    retry_after_seconds: float = 0.0

    @property
    def delivered(self) -> bool:
        return self.error is AttemptError.NONE


def error_of(status_code: int) -> AttemptError:
    if 200 <= status_code < 300:
        return AttemptError.NONE
    return AttemptError.REDIRECTED if 300 <= status_code < 400 else AttemptError.HTTP_STATUS


def wait_seconds(
    result: PostResult, *, attempts: int, schedule: Sequence[float], jitter: float
) -> float | None:
    """How long a delivery rests after its `attempts`-th attempt failed; None if it is given up.

    `jitter` is -1 to 1 and moves the wait by up to a tenth. An endpoint's own wish (Retry-After) counts up to
    an hour.
    """
    if (
        result.error is AttemptError.ADDRESS_REFUSED
        or result.status_code == GONE
        or attempts >= len(schedule)
    ):
        return None
    wished = min(result.retry_after_seconds, RETRY_AFTER_SECONDS_MAX)
    return max(schedule[attempts] * (1 + jitter / 10), wished)


def disabled_reason(
    result: PostResult, *, failing_since: datetime | None, now: datetime
) -> DisabledReason | None:
    if result.delivered:
        return None
    if result.status_code == GONE:
        return DisabledReason.GONE
    if failing_since is not None and now - failing_since >= FAILING_MAX:
        return DisabledReason.FAILING
    return None


def pause_seconds(failures: int) -> float:
    """How long an endpoint rests after so many failures in a row; longer each time, at most five minutes."""
    if failures < FAILURES_MAX:
        return 0.0
    return min(PAUSE_SECONDS * math.pow(2, min(failures - FAILURES_MAX, 10)), 300.0)
