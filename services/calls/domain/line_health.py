"""How a phone number of ours is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class LineStatus(StrEnum):
    HEALTHY = "HEALTHY"
    BUSY = "BUSY"
    # The provider does not know the number, or cannot be asked.
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineHealth:
    """`trouble` is the cause of an ERROR; empty without one."""

    phone_number_id: str
    active_calls: int
    provider: str
    trouble: str
    checked_at: datetime

    @property
    def status(self) -> LineStatus:
        if self.trouble:
            return LineStatus.ERROR
        return LineStatus.BUSY if self.active_calls else LineStatus.HEALTHY
