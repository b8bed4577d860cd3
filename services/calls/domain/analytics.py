"""Figures of many calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts, and sums over the calls of which something is known: `timed` know their duration,
    `transcribed` have lines. What counts as active, completed, failed and abandoned is `StatusClass`."""

    total: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    abandoned: int = 0
    urgent: int = 0
    connected: int = 0
    answered: int = 0
    evaluated: int = 0
    successful: int = 0
    timed: int = 0
    duration_seconds: float = 0.0
    cost_usd: Decimal = Decimal(0)
    transcribed: int = 0
    transcript_lines: int = 0

    @property
    def average_duration_seconds(self) -> float | None:
        return self.duration_seconds / self.timed if self.timed else None

    @property
    def average_transcript_lines(self) -> float | None:
        return self.transcript_lines / self.transcribed if self.transcribed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HourFigures:
    hour: datetime
    figures: Figures
    service_types: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantFigures:
    assistant_id: str
    provider_assistant_id: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnalytics:
    """Hours and days from the oldest on; assistants and kinds of service with the most calls first."""

    total: Figures = field(default_factory=Figures)
    hours: Sequence[HourFigures] = ()
    days: Sequence[tuple[date, Figures]] = ()
    assistants: Sequence[AssistantFigures] = ()
    service_types: Sequence[tuple[str, Figures]] = ()
    events: Sequence[tuple[str, int]] = ()
    refreshed_at: datetime | None = None
