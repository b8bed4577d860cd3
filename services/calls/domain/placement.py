"""Placing an outbound call: what is asked for, how it can turn out, and when an unknown one is settled.

    PENDING --> PLACED      the provider took it
            --> REFUSED     certainly not made; the line is free again
            --> UNKNOWN     may have been made --> PLACED (found at the provider, or a webhook names it)

A call whose placement stays UNKNOWN is closed as FAILED, reason NOT_FOUND, once it was looked up often
enough; its placement stays what it is, because nothing proves that the provider never made it. It is never
placed again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

# The one voice provider there is so far.
PROVIDER: Final = "vapi"
LOOKS_MIN: Final = 3
MAX_DURATION_SECONDS_DEFAULT: Final = 600
# The provider's own limit; what an inbound call may last when nobody told us.
MAX_DURATION_SECONDS_LIMIT: Final = 43_200
MAX_DURATION_SECONDS_LEAST: Final = 10


class PlacementResult(StrEnum):
    PENDING = "PENDING"
    PLACED = "PLACED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementOrder:
    """One outbound call that somebody wants made. `call_id` is the attempt: it is sent to the provider at
    most once."""

    call_id: UUID
    customer_number: str
    customer_name: str = ""
    provider_assistant_id: str
    assistant_id: str = ""
    phone_number_id: str
    campaign_id: str = ""
    contact_id: str = ""
    # The account to call from; chosen by the phone number if none is named.
    provider_account_id: UUID | None = None
    max_duration_seconds: int = MAX_DURATION_SECONDS_DEFAULT
    # Settings of the assistant that are different for this call, in the provider's words.
    assistant_overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How far the placing of a call went; `reason` and the rest belong to REFUSED and UNKNOWN."""

    result: PlacementResult
    reason: str = ""
    infrastructure: bool = False
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementState:
    """The placement of a stored call, as needed to answer a repeat and to settle it."""

    call_id: UUID
    org_id: UUID
    account_id: UUID | None
    customer_number: str
    provider_assistant_id: str
    placement: Placement
    provider_call_id: str | None
    requested_at: datetime | None
    lookups: int
    closed: bool

    @property
    def settled(self) -> bool:
        """A webhook may close a call whose placement nobody recorded yet; that settles it as well."""
        return self.closed or self.placement.result in (PlacementResult.PLACED, PlacementResult.REFUSED)

    def answer(self) -> Placement:
        """For a repeat: another request holds a pending one right now, or died; either way nothing is
        certain."""
        if self.placement.result is PlacementResult.PENDING:
            return Placement(result=PlacementResult.UNKNOWN, reason="IN_FLIGHT", infrastructure=True)
        return self.placement

    def is_for(self, order: PlacementOrder) -> bool:
        return (self.customer_number, self.provider_assistant_id) == (
            order.customer_number,
            order.provider_assistant_id,
        )

    def is_given_up(self, *, now: datetime, settle_seconds: float) -> bool:
        """Absence at the provider is no proof; it takes several looks over the whole settling time."""
        if self.requested_at is None:
            return True
        return self.lookups >= LOOKS_MIN and now - self.requested_at >= timedelta(seconds=settle_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """A call as the provider shows it now. `document` is its whole answer."""

    id: str
    status: str
    name: str
    metadata: Mapping[str, str]
    created_at: datetime | None
    control_url: str
    document: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        return self.status == "ended"

    @property
    def own_id(self) -> UUID | None:
        """Our id, if it carries one."""
        for told in (self.metadata.get("callplaneCallId", ""), self.name):
            try:
                if len(told.strip()) == 36:
                    return UUID(told.strip())
            except ValueError:
                continue
        return None

    @property
    def phone_number_id(self) -> str:
        found = self.document.get("phoneNumberId")
        return found if isinstance(found, str) else ""

    def correlates_with(self, call_id: UUID) -> bool:
        """It carries our id, in its name or its metadata."""
        return str(call_id) in (
            self.name.strip().lower(),
            self.metadata.get("callplaneCallId", "").strip().lower(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    provider_call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Certainly not made. `infrastructure` if the cause lies with us or the provider, not with the
    contact."""

    reason: str
    infrastructure: bool
    retry_after_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """It may have been made."""

    reason: str


Outcome = Placed | Refused | Unknown


def placement_of(outcome: Outcome) -> Placement:
    match outcome:
        case Placed():
            return Placement(result=PlacementResult.PLACED)
        case Refused(reason=reason, infrastructure=infrastructure, retry_after_seconds=seconds):
            return Placement(
                result=PlacementResult.REFUSED,
                reason=reason,
                infrastructure=infrastructure,
                retry_after_seconds=seconds,
            )
        case Unknown(reason=reason):
            return Placement(result=PlacementResult.UNKNOWN, reason=reason, infrastructure=True)


def find_placed(call_id: UUID, candidates: Iterable[ProviderCall]) -> ProviderCall | None:
    """The provider's call that carries our id. Of several (there should be none) the oldest."""
    ours = [call for call in candidates if call.correlates_with(call_id)]
    return min(ours, key=lambda call: (call.created_at is None, call.created_at, call.id), default=None)


def longest_end(
    *,
    created_at: datetime,
    started_at: datetime | None,
    max_duration_seconds: int | None,
    grace_seconds: float,
) -> datetime:
    """After this moment the provider itself has ended the call, whatever it tells or does not tell.
    `started_at` is told by the provider's clock: one that is slow does not shorten the call."""
    duration = max_duration_seconds or MAX_DURATION_SECONDS_LIMIT
    began_at = max(started_at, created_at) if started_at else created_at
    return began_at + timedelta(seconds=duration + grace_seconds)
