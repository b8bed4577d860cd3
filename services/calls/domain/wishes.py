"""What an assistant may ask us to do for the caller it is talking to.

A wish names neither caller nor recipient: both follow from the call and from what the organization has set
up, whatever the model sends. Reading one raises BadArguments.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.calls.domain.arguments import Arguments, BadArguments
from services.calls.domain.business_hours import Language
from services.calls.domain.call import Priority
from services.calls.domain.customer import customer_data
from services.calls.domain.redaction import Redaction, redacted, redacted_fields
from services.calls.domain.rules import RuleBook
from services.calls.domain.services import accept

_CHANNELS: Final = ("VOICE", "SMS", "ALL")
_ALERT_LENGTH_MAX: Final = 400
_NOTES_LENGTH_MAX: Final = 2000
_CALLBACK_DAYS_MAX: Final = 90
# Clocks differ, and people say "now".
_CALLBACK_LATE_MAX: Final = timedelta(minutes=5)
# Of a lead; a phone number is not among them.
_LEAD_ARGUMENTS: Final = (
    "name", "email", "address", "city", "postalCode", "serviceType", "description", "estimatedValue",
    "customerType",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertWish:
    """To text the people on call. `priority` says which policies are meant."""

    message: str
    priority: Priority
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadWish:
    """`fields` are those of a call."""

    fields: Mapping[str, Any]
    customer_type: str
    notes: str
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackWish:
    call_back_at: datetime
    reason: str
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferWish:
    """`destination` is a name; empty for the first."""

    destination: str
    language: Language


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutWish:
    channel: str
    language: Language


Wish = AlertWish | LeadWish | CallbackWish | TransferWish | OptOutWish


def is_wish(name: str) -> bool:
    return name in _READERS


def wish_of(name: str, told: Mapping[str, Any], rules: RuleBook, *, now: datetime) -> Wish:
    return _READERS[name](Arguments(told), rules, now)


def redacted_wish(wish: Wish, kinds: Redaction) -> Wish:
    """What follows from it goes into leads and events."""
    match wish:
        case AlertWish():
            return replace(wish, message=redacted(wish.message, kinds))
        case LeadWish():
            fields = redacted_fields(wish.fields, kinds)
            return replace(wish, fields=fields, notes=redacted(wish.notes, kinds))
        case CallbackWish():
            return replace(wish, reason=redacted(wish.reason, kinds))
        case _:
            return wish


def _alert(arguments: Arguments, rules: RuleBook, _now: datetime) -> AlertWish:
    return AlertWish(
        message=arguments.text("message", length_max=_ALERT_LENGTH_MAX),
        priority=arguments.priority("priority") or Priority.P1,
        language=_language(arguments, rules),
    )


def _lead(arguments: Arguments, rules: RuleBook, _now: datetime) -> LeadWish:
    fields, notes = customer_data(arguments.only(*_LEAD_ARGUMENTS))
    if notes:
        raise BadArguments(" ".join(f"{field} {note}." for field, note in sorted(notes.items())))
    if not fields.get("service_type") and not fields.get("problem_description"):
        raise BadArguments("description must be text.")
    language = _language(arguments, rules)
    service_type = fields.get("service_type", "")
    if rules.refuses(service_type):
        raise BadArguments(accept(rules, service_type, language=language).message)
    return LeadWish(
        customer_type=fields.pop("customer_type", ""),
        fields=fields,
        notes=arguments.text("notes", default="", length_max=_NOTES_LENGTH_MAX),
        language=language,
    )


def _callback(arguments: Arguments, rules: RuleBook, now: datetime) -> CallbackWish:
    name = arguments.sent("time", "at")
    at = arguments.moment(name, rules.business_hours)
    if not now - _CALLBACK_LATE_MAX <= at <= now + timedelta(days=_CALLBACK_DAYS_MAX):
        raise BadArguments(f"{name} must lie within the next {_CALLBACK_DAYS_MAX} days.")
    return CallbackWish(
        call_back_at=max(at, now),
        reason=arguments.text("reason", default="", length_max=_NOTES_LENGTH_MAX),
        language=_language(arguments, rules),
    )


def _transfer(arguments: Arguments, rules: RuleBook, _now: datetime) -> TransferWish:
    return TransferWish(
        destination=arguments.text("destination", default="", length_max=100),
        language=_language(arguments, rules),
    )


def _opt_out(arguments: Arguments, rules: RuleBook, _now: datetime) -> OptOutWish:
    return OptOutWish(
        channel=arguments.choice("channel", _CHANNELS, default="ALL"), language=_language(arguments, rules)
    )


def _language(arguments: Arguments, rules: RuleBook) -> Language:
    return arguments.language(default=rules.business_hours.language)


_READERS: Final[Mapping[str, Callable[[Arguments, RuleBook, datetime], Wish]]] = {
    "sendSMSAlert": _alert,
    "createLead": _lead,
    "scheduleCallback": _callback,
    "transferCall": _transfer,
    "recordOptOut": _opt_out,
}
