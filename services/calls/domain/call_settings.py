"""What an organization decides about its calls."""

from dataclasses import dataclass
from datetime import datetime

from services.calls.domain.redaction import NOTHING, Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """One that never decided anything has version 0 and no time. `version` is the etag."""

    redacted: Redaction = NOTHING
    version: int = 0
    updated_at: datetime | None = None
