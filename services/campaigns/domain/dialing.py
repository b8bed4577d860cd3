"""Campaigns that may dial, and decided attempts on their way to `calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A campaign that may have somebody to call. `line_quiet`: only while nobody else is on its number."""

    id: UUID
    org_id: UUID
    phone_number_id: str
    line_quiet: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """All that is needed to place the call of an attempt, and to place it again: the same id, the same
    particulars."""

    attempt_id: UUID
    org_id: UUID
    campaign_id: UUID
    contact_id: UUID
    phone: str
    name: str
    assistant_id: UUID
    provider_assistant_id: str
    phone_number_id: str
    traceparent: str
    # The pinned version's; 0 if it leaves that to us.
    max_duration_seconds: int
    # What the pinned version has otherwise than the assistant has now.
    assistant_overrides: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dialable:
    """Campaigns that may have somebody to call, and the database's time before the look."""

    campaigns: Sequence[Candidate]
    looked_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is decided and stored. After the deadline (monotonic) whoever looks after lost intents
    may have judged it, so its dialer must not send it any more, unless it has put the look off before."""

    dial: Dial
    deadline: float
    # It was sent before, or may have been.
    sent_before: bool = False


@dataclass(frozen=True, slots=True)
class Claims:
    """What was decided at once for a campaign. `more`: there may be others, even if these are none."""

    intents: Sequence[Intent]
    more: bool
