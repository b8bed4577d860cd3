"""Who takes a call that comes in: the first route, in the organization's order, that matches the number
called, the caller, and the local time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from libs.errors import FieldViolation
from services.calls.domain.messages import mapping, text

_MINUTES_OF_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From `opens_minute` to before `closes_minute` of a local day; over midnight if it closes before it
    opens, and then it belongs to the day on which it opens."""

    opens_minute: int
    closes_minute: int

    def holds(self, minute: int) -> bool:
        """Of the same day."""
        return self.opens_minute <= minute < self._end

    def holds_next_day(self, minute: int) -> bool:
        """Of the day after the one on which it opens."""
        return minute + _MINUTES_OF_DAY < self._end

    @property
    def _end(self) -> int:
        overnight = self.closes_minute <= self.opens_minute
        return self.closes_minute + (_MINUTES_OF_DAY if overnight else 0)


WHOLE_DAY: Final = Window(opens_minute=0, closes_minute=_MINUTES_OF_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRoute:
    """Every condition that is set has to hold; one of the three results is set. `called_numbers` are E.164 or
    the provider's ids; days count from Monday, 1."""

    name: str
    position: int
    active: bool = True
    called_numbers: Sequence[str] = ()
    caller_prefixes: Sequence[str] = ()
    caller_known: bool | None = None
    days: Sequence[int] = ()
    window: Window | None = None
    zone: str = ""
    provider_assistant_id: str = ""
    transfer_to: str = ""
    error_message: str = ""

    @property
    def answer(self) -> Mapping[str, Any]:
        """In the provider's words."""
        if self.provider_assistant_id:
            return {"assistantId": self.provider_assistant_id}
        if self.transfer_to.startswith("sip:"):
            return {"destination": {"type": "sip", "sipUri": self.transfer_to}}
        if self.transfer_to:
            return {"destination": {"type": "number", "number": self.transfer_to}}
        return {"error": self.error_message}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInboundRoute:
    id: UUID
    route: InboundRoute
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundCall:
    """What the provider asks about. Empty where it does not tell."""

    called_number: str
    phone_number_id: str
    caller_number: str


class Reason(StrEnum):
    """Why a call got the answer it got."""

    # A route matched.
    ROUTE = "ROUTE"
    # No route matched: the default assistant of the source, or of the deployment.
    SOURCE_DEFAULT = "SOURCE_DEFAULT"
    DEPLOYMENT_DEFAULT = "DEPLOYMENT_DEFAULT"
    # ... and there is none.
    NOBODY = "NOBODY"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundAnswer:
    """What the provider was told, by which route if any, and why."""

    route_id: UUID | None = None
    route_name: str = ""
    reason: Reason
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAnswer:
    answer: InboundAnswer
    answered_at: datetime


def inbound_call(content: Mapping[str, Any]) -> InboundCall:
    """From an `assistant-request`."""
    call = mapping(content.get("call"))
    our_number = mapping(content.get("phoneNumber")) or mapping(call.get("phoneNumber"))
    customer = mapping(content.get("customer")) or mapping(call.get("customer"))
    return InboundCall(
        called_number=text(our_number.get("number"), length_max=40),
        phone_number_id=text(call.get("phoneNumberId") or our_number.get("id"), length_max=100),
        caller_number=text(customer.get("number"), length_max=40),
    )


def matches(route: InboundRoute, call: InboundCall, *, now: datetime, caller_known: bool) -> bool:
    """`now` with a zone."""
    called = {call.called_number, call.phone_number_id} - {""}
    return (
        (not route.called_numbers or not called.isdisjoint(route.called_numbers))
        and (not route.caller_prefixes or _begins(call.caller_number, route.caller_prefixes))
        and route.caller_known in (None, caller_known)
        and _is_open(route, now)
    )


def choose(
    routes: Sequence[StoredInboundRoute], call: InboundCall, *, now: datetime, caller_known: bool
) -> StoredInboundRoute | None:
    """The first that matches; `routes` in their order."""
    return next((one for one in routes if matches(one.route, call, now=now, caller_known=caller_known)), None)


# Said to a caller whom nobody can take.
_SORRY: Final = "We cannot take your call at the moment. Please try again later."


def answer_of(
    chosen: StoredInboundRoute | None, *, source_default: str, deployment_default: str
) -> InboundAnswer:
    """By the route that was chosen, else the default assistants in their order."""
    if chosen is not None:
        return InboundAnswer(
            route_id=chosen.id,
            route_name=chosen.route.name,
            reason=Reason.ROUTE,
            answer=chosen.route.answer,
        )
    if source_default:
        return InboundAnswer(reason=Reason.SOURCE_DEFAULT, answer={"assistantId": source_default})
    if deployment_default:
        return InboundAnswer(reason=Reason.DEPLOYMENT_DEFAULT, answer={"assistantId": deployment_default})
    return InboundAnswer(reason=Reason.NOBODY, answer={"error": _SORRY})


def asks_for_caller(routes: Sequence[StoredInboundRoute]) -> bool:
    """Whether it matters to any route if the caller is known."""
    return any(one.route.caller_known is not None for one in routes)


def violations(route: InboundRoute) -> list[FieldViolation]:
    """What the fields' own rules do not say."""
    found = []
    if (route.days or route.window) and not route.zone:
        violation = FieldViolation("conditions.time_zone", "must be set with days, opens_at or closes_at")
        found.append(violation)
    if route.zone and _find_zone(route.zone) is None:
        found.append(
            FieldViolation("conditions.time_zone", "must be a time zone, for example America/Toronto")
        )
    return found


def _is_open(route: InboundRoute, now: datetime) -> bool:
    if not route.days and route.window is None:
        return True
    zone = _find_zone(route.zone)
    if zone is None:
        # It was known when the route was made; nobody can say what time it is there now.
        return False
    local = now.astimezone(zone)
    minute = local.hour * 60 + local.minute
    window = route.window or WHOLE_DAY
    yesterday = local - timedelta(days=1)
    return (_is_day(route, local.isoweekday()) and window.holds(minute)) or (
        _is_day(route, yesterday.isoweekday()) and window.holds_next_day(minute)
    )


def _is_day(route: InboundRoute, day: int) -> bool:
    return not route.days or day in route.days


def _begins(number: str, prefixes: Sequence[str]) -> bool:
    return bool(number) and number.startswith(tuple(prefixes))


def _find_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
