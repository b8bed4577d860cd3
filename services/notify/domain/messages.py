"""A text message and its way.

    QUEUED -> SENDING -> SENT -> DELIVERED
       ^________/  \\       \\-> FAILED           what the provider says later
    (surely not     \\-> FAILED                  refused for good, tried too often, or never found at the
    provider
        sent)
    QUEUED -> SUPPRESSED                        the recipient opted out before it was sent

A message leaves SENDING backwards only when it was surely not sent. If nobody knows, it is looked up at the
provider.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias
from uuid import UUID

# Waits between rounds of tries, once the quick tries of a round all failed; jitter is added.
ROUND_SECONDS: Final = (15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0)
# Waits before the looks for a message whose fate is unknown. Absent is no proof until the provider had time
# to list it.
LOOKUP_SECONDS: Final = (2.0, 15.0, 45.0, 90.0)

NOT_CONFIRMED: Final = "NOT_CONFIRMED"


class MessageStatus(StrEnum):
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SUPPRESSED = "SUPPRESSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: UUID
    org_id: UUID
    recipient: str
    body: str
    status: MessageStatus
    provider_message_id: str
    error_code: str
    attempts: int
    # Rounds of tries that ended with a wait.
    rounds: int
    # Looks for it at the provider that found nothing.
    lookups: int
    alert_id: UUID | None
    traceparent: str
    created_at: datetime
    # When the first request to the provider may have been made.
    claimed_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None


class Verdict(StrEnum):
    """What a definite refusal means for the message."""

    PERMANENT = "PERMANENT"
    RETRYABLE = "RETRYABLE"
    OPT_OUT = "OPT_OUT"


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it."""

    provider_message_id: str
    provider_status: str
    error_code: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """Surely not sent. `tried` is False if there was not even a request."""

    code: str
    verdict: Verdict
    retry_after_seconds: float = 0.0
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent; `error` says what happened instead of an answer."""

    error: str


SendOutcome: TypeAlias = Sent | NotSent | Unknown

_RANKS: Final = {
    MessageStatus.QUEUED: 0,
    MessageStatus.SENDING: 1,
    MessageStatus.SENT: 2,
    MessageStatus.DELIVERED: 3,
    MessageStatus.FAILED: 3,
    MessageStatus.SUPPRESSED: 3,
}
_PROVIDER_STATUSES: Final = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "sent"), MessageStatus.SENT),
    **dict.fromkeys(("delivered", "read"), MessageStatus.DELIVERED),
    **dict.fromkeys(("undelivered", "failed", "canceled"), MessageStatus.FAILED),
}


def status_of(provider_status: str) -> MessageStatus:
    """What a provider's word says. A word we do not know says at least that the provider has the message."""
    return _PROVIDER_STATUSES.get(provider_status, MessageStatus.SENT)


def may_advance(message: Message, to: MessageStatus) -> bool:
    """Late and repeated news change nothing. The exception is a message we gave up without ever finding it:
    whatever the provider says of it then is better known."""
    if message.status is MessageStatus.FAILED and message.error_code == NOT_CONFIRMED:
        return True
    return _RANKS[to] > _RANKS[message.status]


def wait_seconds(outcome: NotSent, *, rounds: int, schedule: Sequence[float] = ROUND_SECONDS) -> float | None:
    """How long a message rests after `rounds` earlier rounds; None if it is given up."""
    if not outcome.tried:
        return max(outcome.retry_after_seconds, 1.0)
    if outcome.verdict is not Verdict.RETRYABLE or rounds >= len(schedule):
        return None
    return max(schedule[rounds], outcome.retry_after_seconds)
