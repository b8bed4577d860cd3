"""Contacts: whether one may be called now, and what an attempt that is over means for them.

PENDING -dialed-> ACTIVE -reached, or out of attempts-> DONE
                  ACTIVE -not reached-> PENDING (later)
PENDING -must not be called-> SKIPPED
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.campaigns.domain.attempts import Attempt, State


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContact:
    row: int
    name: str
    business_name: str
    phone: str


class Decision(StrEnum):
    DIAL = "DIAL"
    # Not yet; nothing is stored for it.
    WAIT = "WAIT"
    SKIP = "SKIP"
    # Its attempts are used up, perhaps because their number was lowered.
    EXHAUSTED = "EXHAUSTED"


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    reason: str


def contactability(contact: Contact, *, suppressed: bool, max_attempts: int, now: datetime) -> Verdict:
    """Whether a pending contact may be called at this moment, and why."""
    if suppressed:
        return Verdict(Decision.SKIP, "SUPPRESSED")
    if contact.attempts >= max_attempts:
        return Verdict(Decision.EXHAUSTED, "ATTEMPTS_USED_UP")
    if contact.next_attempt_at is not None and contact.next_attempt_at > now:
        return Verdict(Decision.WAIT, "NOT_DUE")
    return Verdict(Decision.DIAL, "FIRST_ATTEMPT" if contact.attempts == 0 else "RETRY")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a contact after an attempt; `attempts` is what it has used up by then."""

    status: Status
    reason: str
    attempts: int
    retry_in_seconds: float | None = None


_RETRIED = frozenset({"NO_ANSWER", "BUSY", "VOICEMAIL", "FAILED"})
# No second try makes these better.
_HOPELESS = frozenset({"INVALID_NUMBER"})


def settle(
    contact: Contact, attempt: Attempt, *, max_attempts: int, retry_delay_seconds: float, patient: bool
) -> Settlement | None:
    """None while the attempt is open, or while its outcome may still come and matters. `patient` False
    decides without it: somebody who was perhaps reached is not called again."""
    if attempt.is_open:
        return None
    if not attempt.counts:
        return Settlement(Status.PENDING, "", max(contact.attempts - 1, 0), retry_in_seconds=0)
    outcome = _outcome(attempt)
    may_retry = contact.attempts < max_attempts
    if not outcome and may_retry and patient:
        return None
    if outcome in _RETRIED and may_retry and attempt.reason not in _HOPELESS:
        return Settlement(Status.PENDING, outcome, contact.attempts, retry_in_seconds=retry_delay_seconds)
    return Settlement(Status.DONE, attempt.reason or outcome, contact.attempts)


def _outcome(attempt: Attempt) -> str:
    if attempt.state is State.REFUSED:
        return "FAILED"
    if attempt.call_status == "ENDED":
        return attempt.outcome
    # Canceled by somebody or fallen silent: whoever it was may have been reached.
    return attempt.outcome or attempt.call_status
