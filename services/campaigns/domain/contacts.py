"""Contacts, and what an attempt that is over means for them. Whether one may be called is a question of
`contactability`.

PENDING -dialed-> ACTIVE -reached, or out of attempts-> DONE
                  ACTIVE -not reached-> PENDING (later)
PENDING -must not be called-> SKIPPED
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.campaigns.domain.attempts import INFRASTRUCTURE, Attempt, State
from services.campaigns.domain.retries import History, RetryPolicy, retry_at


class Status(StrEnum):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DONE = "DONE"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    id: UUID
    org_id: UUID
    campaign_id: UUID
    position: int
    row: int
    name: str
    business_name: str
    phone: str
    status: Status
    attempts: int
    # The attempt under way, or the one whose outcome is still awaited.
    attempt_id: UUID | None
    next_attempt_at: datetime | None
    reason: str
    # As the file told it, by the IANA's name; empty if it did not.
    time_zone: str = ""
    # Why it waits until `next_attempt_at`, if not for its retry's own delay.
    wait_reason: str = ""
    # When the person wants to be called back; None once that call was made. `callback_dialed`: it is the
    # attempt under way.
    callback_at: datetime | None = None
    callback_dialed: bool = False

    @property
    def waits_for_callback(self) -> bool:
        return self.callback_at is not None and not self.callback_dialed


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    row: int
    name: str
    business_name: str
    phone: str
    # By the IANA's name; empty if the file does not tell.
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a contact after an attempt; `attempts` is what it has used up by then, `callback`
    whether its wish to be called back stands. A contact that is PENDING without `retry_in_seconds` stands
    where it stood before the attempt, ahead of those that are tried again."""

    status: Status
    reason: str
    attempts: int
    retry_in_seconds: float | None = None
    callback: bool = False


def budget(contact: Contact, *, max_attempts: int) -> int:
    """How many attempts a contact may have: the call that the person asked for is always one of them."""
    return max(max_attempts, contact.attempts + 1) if contact.waits_for_callback else max_attempts


# So often a call that the provider or the carrier failed uses up none of the contact's attempts; a number
# that fails them every time is not called for ever. The first is made good after a minute, each further one
# after four times as long.
_FORGIVEN_MAX = 3
_FORGIVEN_SECONDS = 60.0

# No second try makes these better.
_HOPELESS = frozenset({"INVALID_NUMBER"})


def settle(
    contact: Contact,
    attempt: Attempt,
    *,
    policy: RetryPolicy,
    history: History,
    now: datetime,
    patient: bool,
    broken_before: int = 0,
) -> Settlement | None:
    """None while the attempt is open, or while its outcome may still come and matters. `patient` False
    decides without it: somebody who was perhaps reached is not called again. `broken_before`: how many of the
    contact's calls the provider or the carrier failed before."""
    if attempt.is_open:
        return None
    given_back = _given_back(contact, attempt, broken_before=broken_before)
    if given_back is not None:
        return given_back
    if contact.waits_for_callback:
        return _until_callback(contact, now=now)
    outcome = outcome_of(attempt)
    if not outcome and contact.attempts < policy.max_attempts and patient:
        return None
    due_at = None if attempt.reason in _HOPELESS else retry_at(policy, outcome, history, now=now)
    if due_at is not None:
        delay_seconds = (due_at - now).total_seconds()
        return Settlement(Status.PENDING, outcome, contact.attempts, retry_in_seconds=delay_seconds)
    return Settlement(Status.DONE, attempt.reason or outcome, contact.attempts)


def _given_back(contact: Contact, attempt: Attempt, *, broken_before: int) -> Settlement | None:
    """If the attempt uses up none of the contact's."""
    reason, delay_seconds = "", 0.0
    if attempt.counts:
        broken = attempt.reason == INFRASTRUCTURE and not contact.waits_for_callback
        if not broken or broken_before >= _FORGIVEN_MAX:
            return None
        reason, delay_seconds = INFRASTRUCTURE, _FORGIVEN_SECONDS * 4**broken_before
    attempts = max(contact.attempts - 1, 0)
    return Settlement(
        Status.PENDING,
        reason,
        attempts,
        retry_in_seconds=delay_seconds or None,
        callback=contact.callback_dialed,
    )


def _until_callback(contact: Contact, *, now: datetime) -> Settlement:
    due_at = contact.callback_at or now
    delay_seconds = max((due_at - now).total_seconds(), 0.0)
    return Settlement(
        Status.PENDING, "CALLBACK", contact.attempts, retry_in_seconds=delay_seconds, callback=True
    )


def outcome_of(attempt: Attempt) -> str:
    """How an attempt that is over counts for a retry; empty while nobody knows who answered."""
    if attempt.state is State.REFUSED:
        return "FAILED"
    if attempt.call_status == "ENDED":
        return attempt.outcome
    # Canceled by somebody or fallen silent: whoever it was may have been reached.
    return attempt.outcome or attempt.call_status
