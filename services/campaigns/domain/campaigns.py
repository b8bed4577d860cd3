"""Campaigns and what may be done with them when.

CREATED -start-> QUEUED -first call placed-> DIALING -first call picked up or over-> RUNNING
QUEUED, DIALING, RUNNING <-pause/resume-> PAUSED
QUEUED, DIALING, RUNNING, PAUSED -last contact dealt with-> COMPLETED
anything not over -cancel-> CANCELED
QUEUED, DIALING, RUNNING, PAUSED -cannot go on-> FAILED
FAILED -resume, with an assistant that is there-> QUEUED, DIALING, RUNNING
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.campaigns.domain.retries import RetryPolicy, RetryRule
from services.campaigns.errors import CampaignCannotEnroll, CampaignWrongStatus


class Mode(StrEnum):
    CONTINUOUS = "CONTINUOUS"
    BATCH = "BATCH"


class Status(StrEnum):
    CREATED = "CREATED"
    QUEUED = "QUEUED"
    DIALING = "DIALING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


UNDER_WAY = frozenset({Status.QUEUED, Status.DIALING, Status.RUNNING})
OVER = frozenset({Status.COMPLETED, Status.CANCELED, Status.FAILED})
STARTED = UNDER_WAY | {Status.PAUSED}


class Action(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    UPDATE = "update"
    IMPORT = "import"
    UNDO_IMPORT = "undo an import"
    DELETE = "delete"
    # Which assistant talks, and from which number.
    SET_ASSISTANT = "set the assistant"
    SET_PHONE_NUMBER = "set the phone number"


_ALLOWED = {
    Action.START: frozenset({Status.CREATED}),
    Action.PAUSE: UNDER_WAY,
    Action.RESUME: frozenset({Status.PAUSED, Status.FAILED}),
    Action.CANCEL: frozenset(Status) - OVER,
    Action.UPDATE: frozenset(Status) - OVER | {Status.FAILED},
    Action.IMPORT: frozenset(Status) - OVER,
    Action.UNDO_IMPORT: frozenset(Status),
    Action.DELETE: OVER | {Status.CREATED},
    # A campaign is told apart by who talks; only one that failed for its assistant gets another.
    Action.SET_ASSISTANT: frozenset({Status.CREATED, Status.FAILED}),
    Action.SET_PHONE_NUMBER: frozenset({Status.CREATED, Status.FAILED}),
}
_PAST_TENSE = {
    Action.START: "started",
    Action.PAUSE: "paused",
    Action.RESUME: "resumed",
    Action.CANCEL: "canceled",
    Action.UPDATE: "changed",
    Action.IMPORT: "given contacts",
    Action.UNDO_IMPORT: "relieved of an import",
    Action.DELETE: "deleted",
    Action.SET_ASSISTANT: "given another assistant",
    Action.SET_PHONE_NUMBER: "given another phone number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    id: UUID
    org_id: UUID
    name: str
    mode: Mode
    cap: int
    assistant_id: UUID
    phone_number_id: str
    max_attempts: int
    retry_delay_seconds: int
    status: Status
    total_contacts: int
    # None before the start.
    assistant_version: int | None
    provider_assistant_id: str | None
    traceparent: str
    started_at: datetime | None
    connected_at: datetime | None
    completed_at: datetime | None
    failure_reason: str
    batch_no: int
    batch_size: int
    line_limit: int | None
    probe_at: datetime | None
    refusals: int
    revision: int
    created_at: datetime
    retry_rules: tuple[RetryRule, ...] = ()
    auto_enroll: bool = False
    line_quiet: bool = False
    deleted_at: datetime | None = None

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self.max_attempts, delay_seconds=self.retry_delay_seconds, rules=self.retry_rules
        )

    @property
    def etag(self) -> str:
        return str(self.revision)

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    name: str
    assistant_id: UUID
    phone_number_id: str
    cap: int
    mode: Mode
    max_attempts: int
    retry_delay_seconds: int
    retry_rules: tuple[RetryRule, ...] = ()
    auto_enroll: bool = False
    line_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignChange:
    """What a caller wants changed; None leaves a field as it is."""

    name: str | None = None
    cap: int | None = None
    max_attempts: int | None = None
    retry_delay_seconds: int | None = None
    retry_rules: tuple[RetryRule, ...] | None = None
    auto_enroll: bool | None = None
    line_quiet: bool | None = None
    assistant_id: UUID | None = None
    phone_number_id: str | None = None

    @property
    def concerns_retries(self) -> bool:
        return (self.max_attempts, self.retry_delay_seconds, self.retry_rules) != (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    contacts: int
    pending: int
    skipped: int
    # Attempts that count; see `Attempt.counts`.
    attempts: int
    active: int
    by_status: dict[str, int]
    successful: int
    evaluated: int
    average_cost_usd: Decimal | None
    total_cost_usd: Decimal | None
    average_duration_seconds: float | None
    # None unless the campaign is under way and some attempt is over.
    estimated_seconds_left: float | None = None

    @property
    def success_rate(self) -> float | None:
        return self.successful / self.evaluated if self.evaluated else None


def check(campaign: Campaign, action: Action) -> None:
    """Raises CampaignWrongStatus if the campaign's status does not allow the action."""
    if campaign.status not in _ALLOWED[action]:
        statuses = [status.value for status in Status if status in _ALLOWED[action]]
        raise CampaignWrongStatus(
            f"The campaign is {campaign.status}; only one that is {' or '.join(statuses)} can be "
            f"{_PAST_TENSE[action]}.",
            metadata={"status": campaign.status.value, "action": action.value},
        )


def check_change(campaign: Campaign, change: CampaignChange) -> None:
    """Raises CampaignWrongStatus for a field that is fixed by now, CampaignCannotEnroll for one that does not
    go with the mode."""
    if change.assistant_id is not None:
        check(campaign, Action.SET_ASSISTANT)
    if change.phone_number_id is not None:
        check(campaign, Action.SET_PHONE_NUMBER)
    if change.auto_enroll and campaign.mode is Mode.BATCH:
        raise CampaignCannotEnroll


def progressed(*, started: bool, connected: bool) -> Status:
    """The status of a campaign under way, by what its calls have come to."""
    if not started:
        return Status.QUEUED
    return Status.RUNNING if connected else Status.DIALING


def with_progress(
    campaign: Campaign, *, status: Status, started_at: datetime | None, connected_at: datetime | None
) -> Campaign:
    return replace(campaign, status=status, started_at=started_at, connected_at=connected_at)
