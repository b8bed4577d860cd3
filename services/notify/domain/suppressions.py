"""Who is not to be contacted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Channel(StrEnum):
    VOICE = "VOICE"
    SMS = "SMS"
    ALL = "ALL"


class Source(StrEnum):
    API = "api"
    SMS = "sms"
    CALL = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    id: UUID
    org_id: UUID
    phone_number: str
    channel: Channel
    source: Source
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """What somebody said during a call."""

    org_id: UUID
    phone_number: str
    channel: Channel
