"""A phone call, as it stands in the record.

    QUEUED -> RINGING -> IN_PROGRESS -> ENDED | FAILED | CANCELED | TIMEOUT

A call skips states but never goes back, and the last four are the end of it. What the provider told is kept
as facts (see `facts`); the other columns follow from the facts and from what we did ourselves (see
`record`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from services.calls.domain.facts import Facts
from services.calls.domain.placement import PlacementResult


class Direction(StrEnum):
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Status(StrEnum):
    QUEUED = "QUEUED"
    RINGING = "RINGING"
    IN_PROGRESS = "IN_PROGRESS"
    ENDED = "ENDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TIMEOUT = "TIMEOUT"

    @property
    def terminal(self) -> bool:
        return self in (Status.ENDED, Status.FAILED, Status.CANCELED, Status.TIMEOUT)

    @property
    def status_class(self) -> "StatusClass":
        match self:
            case Status.ENDED:
                return StatusClass.COMPLETED
            case Status.FAILED:
                return StatusClass.FAILED
            case Status.CANCELED | Status.TIMEOUT:
                return StatusClass.ABANDONED
            case _:
                return StatusClass.ACTIVE


class StatusClass(StrEnum):
    """The words of reports, and of the first version of the API."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Outcome(StrEnum):
    """Who or what answered."""

    HUMAN = "HUMAN"
    VOICEMAIL = "VOICEMAIL"
    CALL_SCREENING = "CALL_SCREENING"
    NO_ANSWER = "NO_ANSWER"
    BUSY = "BUSY"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Priority(StrEnum):
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"


class TranscriptSource(StrEnum):
    """Where the lines of a transcript come from, best last."""

    LIVE = "LIVE"
    CONVERSATION = "CONVERSATION"
    REPORT = "REPORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row of `calls.calls`; names and meanings are those of the columns."""

    id: UUID
    org_id: UUID
    provider: str
    provider_account_id: UUID | None = None
    provider_call_id: str | None = None
    direction: Direction
    status: Status = Status.QUEUED
    outcome: Outcome | None = None
    assistant_id: str = ""
    provider_assistant_id: str = ""
    campaign_id: str = ""
    contact_id: str = ""
    phone_number_id: str = ""
    phone_number: str = ""
    customer_number: str = ""
    customer_name: str = ""
    customer_email: str = ""
    address: str = ""
    city: str = ""
    postal_code: str = ""
    problem_description: str = ""
    service_type: str = ""
    estimated_value: int | None = None
    data_notes: tuple[str, ...] = ()
    priority: Priority | None = None
    priority_reason: str = ""
    sla_seconds: int | None = None
    sla_due_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended_reason: str = ""
    duration_seconds: float | None = None
    cost_usd: Decimal | None = None
    cost_breakdown: Mapping[str, Any] | None = None
    recording_url: str = ""
    summary: str = ""
    success_evaluation: bool | None = None
    success_evaluation_raw: str = ""
    analysis: Mapping[str, Any] | None = None
    last_status_at: datetime | None = None
    connected: bool = False
    reported_at: datetime | None = None
    transcript_source: TranscriptSource | None = None
    transcript_lines: int = 0
    facts: Facts = field(default_factory=dict)
    placement: PlacementResult | None = None
    placement_reason: str = ""
    placement_infrastructure: bool = False
    placement_retry_after_seconds: int = 0
    placement_requested_at: datetime | None = None
    placed_at: datetime | None = None
    max_duration_seconds: int | None = None
    closed_as: Status | None = None
    closed_at: datetime | None = None
    looked_up_at: datetime | None = None
    lookups: int = 0
    created_at: datetime
