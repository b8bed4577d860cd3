"""What the provider told about calls, webhook by webhook."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class NewCallEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`json` is the payload written out, where it is at hand; then `payload` may hold less."""

    org_id: UUID
    call_id: UUID
    provider_event_id: UUID
    type: str
    status: str | None
    occurred_at: datetime
    received_at: datetime
    payload: Mapping[str, Any]
    json: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    id: UUID
    call_id: UUID
    provider_event_id: UUID
    type: str
    status: str | None
    occurred_at: datetime
    received_at: datetime
    payload: Mapping[str, Any]
