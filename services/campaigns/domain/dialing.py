"""A campaign that may dial, and a decided attempt on its way to `calls`."""

from collections.abc import Mapping
from dataclasses import dataclass
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
