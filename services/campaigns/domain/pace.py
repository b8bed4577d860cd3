"""How fast a campaign dials while the provider side carries fewer calls than its cap.

A refusal for want of lines tells how many calls go at once right now. From then on the campaign keeps to that
many, and tries one more whenever a growing pause is over. So the calls that end are replaced at once, and a
crowd of free slots does not knock at a closed door.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

_PAUSE_SECONDS_FIRST = 1.0
_PAUSE_SECONDS_MAX = 30.0
# A probe that no answer came to stops counting as one after this long.
_PROBE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Pace:
    """`line_limit` None: nothing was refused lately. Above the limit one call is tried from `probe_at` on."""

    line_limit: int | None = None
    probe_at: datetime | None = None
    refusals: int = 0

    def may_dial(self, *, taken: int, now: datetime) -> bool:
        if self.line_limit is None or taken < self.line_limit:
            return True
        return self.probe_at is None or self.probe_at <= now

    def after_intent(self, *, taken: int, now: datetime) -> "Pace":
        """`taken` slots before the one for this intent."""
        if self.line_limit is None or taken < self.line_limit:
            return self
        return Pace(self.line_limit, now + timedelta(seconds=_PROBE_SECONDS), self.refusals)

    def after_refusal(self, *, taken: int, now: datetime, retry_after_seconds: float) -> "Pace":
        """`taken` slots after the refused one was freed."""
        limit = taken if self.line_limit is None else min(taken, self.line_limit)
        pause = min(_PAUSE_SECONDS_FIRST * 2**self.refusals, _PAUSE_SECONDS_MAX)
        return Pace(
            limit, now + timedelta(seconds=max(pause, retry_after_seconds)), min(self.refusals + 1, 10)
        )

    def after_placed(self, *, taken: int, cap: int) -> "Pace":
        """`taken` slots, the placed one included."""
        if self.line_limit is None:
            return self
        if taken <= self.line_limit:
            return Pace(self.line_limit, self.probe_at, 0)
        # The probe went through: room for more, perhaps for all.
        return Pace() if taken >= cap else Pace(taken, None, 0)
