"""That a person agreed to be called or written to, and how that is known."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Channel(StrEnum):
    VOICE = "VOICE"
    SMS = "SMS"
    ALL = "ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """`obtained_at` None: now."""

    phone: str
    channel: Channel
    source: str
    obtained_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """In force until it is revoked."""

    id: UUID
    phone: str
    channel: Channel
    source: str
    obtained_at: datetime
    recorded_at: datetime
    revoked_at: datetime | None
    revocation_source: str
