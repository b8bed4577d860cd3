"""A decided attempt on its way to `calls`."""

from dataclasses import dataclass
from uuid import UUID


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
