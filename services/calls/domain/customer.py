"""What a caller told about himself and his problem, as the provider's analysis extracted it or the assistant
handed it to a tool.

The keys are free text of whoever configured the assistant: English and French ones are known. A value that
cannot be right is dropped and noted; the webhook counts all the same.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from libs.phone import InvalidPhone, to_e164
from services.calls.domain.messages import text
from services.calls.domain.text import folded, key_of

# Where callers' numbers without a country code are read.
REGION: Final = "CA"

_KEYS: Final[Mapping[str, str]] = {
    "name": "customer_name",
    "nom": "customer_name",
    "nom complet": "customer_name",
    "full name": "customer_name",
    "fullname": "customer_name",
    "customer name": "customer_name",
    "customername": "customer_name",
    "email": "customer_email",
    "e mail": "customer_email",
    "courriel": "customer_email",
    "customeremail": "customer_email",
    "customer email": "customer_email",
    "phone": "customer_number",
    "telephone": "customer_number",
    "phonenumber": "customer_number",
    "phone number": "customer_number",
    "numero de telephone": "customer_number",
    "address": "address",
    "adresse": "address",
    "city": "city",
    "ville": "city",
    "postalcode": "postal_code",
    "postal code": "postal_code",
    "codepostal": "postal_code",
    "code postal": "postal_code",
    "zip": "postal_code",
    "zipcode": "postal_code",
    "zip code": "postal_code",
    "description": "problem_description",
    "problem": "problem_description",
    "probleme": "problem_description",
    "problemdescription": "problem_description",
    "problem description": "problem_description",
    "descriptionprobleme": "problem_description",
    "description du probleme": "problem_description",
    "servicetype": "service_type",
    "service type": "service_type",
    "service": "service_type",
    "typeservice": "service_type",
    "typedeservice": "service_type",
    "type de service": "service_type",
    "customertype": "customer_type",
    "customer type": "customer_type",
    "typeclient": "customer_type",
    "type de client": "customer_type",
    "typedeclient": "customer_type",
    "estimatedvalue": "estimated_value",
    "estimated value": "estimated_value",
    "valeurestimee": "estimated_value",
    "valeur estimee": "estimated_value",
    "valeur": "estimated_value",
}

_EMAIL: Final = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
# D, F, I, O, Q and U are in no Canadian code, W and Z are not its first letter.
_CANADIAN: Final = re.compile(
    r"([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])[ -]?(\d[ABCEGHJ-NPRSTV-Z]\d)", re.ASCII
)
_AMERICAN: Final = re.compile(r"(\d{5})(?:[ -]?(\d{4}))?", re.ASCII)
_AMOUNT: Final = re.compile(r"\d[\d \u00a0\u202f,.]*")
_VALUE_MAX: Final = 2**31 - 1


class _Invalid(Exception):
    """The value cannot be right; the text says why, without the value."""


def customer_data(structured: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that are known and valid, and for each that is not the note to keep. What stands in an
    object of its own, `{"client": {"nom": ...}}`, counts where nothing stands beside it."""
    fields: dict[str, Any] = {}
    notes: dict[str, str] = {}
    inner = [value for _, value in sorted(structured.items()) if isinstance(value, dict)]
    for told in (structured, *inner):
        for key in sorted(told):
            field = _KEYS.get(folded(key))
            if field is None or told[key] in (None, "") or field in fields:
                continue
            valid, invalid = validated({field: told[key]})
            fields |= valid
            notes |= invalid
    return fields, {field: note for field, note in notes.items() if field not in fields}


def customer_data_of_tool(name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the arguments of a known tool say about the caller; a model fills them in, so they are checked as
    everything else is. A value of zero is a model's way of saying nothing."""
    accepted = _TOOLS.get(name)
    if accepted is None:
        return {}, {}
    fields, notes = customer_data(arguments)
    return (
        {field: value for field, value in fields.items() if field in accepted and value != 0},
        {field: note for field, note in notes.items() if field in accepted},
    )


def validated(told: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Of values by our own names of their fields: those that are valid, in the record's form, and for each
    that is not the note why."""
    fields: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for field, value in told.items():
        try:
            fields[field] = _READERS[field](value)
        except _Invalid as exc:
            notes[field] = str(exc)
    return fields, notes


def amount(value: Any) -> int:
    """Whole units. Raises ValueError."""
    if isinstance(value, str):
        found = _AMOUNT.search(value)
        if found is None:
            raise ValueError("not an amount")
        value = _decimal(found[0])
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not an amount")
    # False for everything that is no number, too.
    if not 0 <= value <= _VALUE_MAX:
        raise ValueError("out of range")
    return int(value)


def caller_number(value: Any) -> str:
    """E.164 where it is a phone number; otherwise as it came (SIP addresses, `anonymous`)."""
    return _caller_number(text(value, length_max=100))


@lru_cache(maxsize=4096)
def _caller_number(told: str) -> str:
    """Every webhook of a call repeats it."""
    try:
        return to_e164(told, region=REGION)
    except InvalidPhone:
        return told


def _decimal(digits: str) -> float:
    """`3 500,50`, `3,500.50` and `3500` as people write them: the last separator before one or two digits is
    the decimal one."""
    plain = re.sub(r"[ \u00a0\u202f]", "", digits).rstrip(",.")
    found = re.fullmatch(r"([\d,.]*?)[,.](\d{1,2})", plain)
    whole, cents = (found[1], found[2]) if found else (plain, "0")
    return float(f"{re.sub('[,.]', '', whole) or '0'}.{cents}")


def _plain(length_max: int) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        told = _text(value, length_max=length_max)
        if not told:
            raise _Invalid("is not text")
        return told

    return read


def _text(value: Any, *, length_max: int) -> str:
    """Numbers count as text, what has members does not."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return text(str(value), length_max=length_max)


def _email(value: Any) -> str:
    told = text(value, length_max=254).lower()
    if not _EMAIL.fullmatch(told):
        raise _Invalid("is not an e-mail address")
    return told


def _postal_code(value: Any) -> str:
    told = _text(value, length_max=20).upper()
    if canadian := _CANADIAN.fullmatch(told):
        return f"{canadian[1]} {canadian[2]}"
    if american := _AMERICAN.fullmatch(told):
        return f"{american[1]}-{american[2]}" if american[2] else american[1]
    raise _Invalid("is not a postal code")


def _phone(value: Any) -> str:
    try:
        return to_e164(_text(value, length_max=60), region=REGION)
    except InvalidPhone as exc:
        raise _Invalid(exc.why) from None


def _kind(value: Any) -> str:
    found = key_of(text(value, length_max=100))
    if not found:
        raise _Invalid("is not text")
    return found


def _value(value: Any) -> int:
    try:
        return amount(value)
    except ValueError:
        raise _Invalid("is not an amount") from None


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "customer_name": _plain(200),
    "customer_email": _email,
    "customer_number": _phone,
    "address": _plain(500),
    "city": _plain(200),
    "postal_code": _postal_code,
    "problem_description": _plain(20_000),
    "service_type": _kind,
    "customer_type": _kind,
    "estimated_value": _value,
}

# What each tool's arguments are believed to say about the caller. Others may mean somebody else.
_TOOLS: Final[Mapping[str, frozenset[str]]] = {
    "calculateQuote": frozenset({"service_type"}),
    "validateServiceRequest": frozenset({"service_type"}),
    "evaluateScheduling": frozenset({"service_type"}),
    "classifyPriority": frozenset({"problem_description", "estimated_value"}),
    "scheduleCallback": frozenset({"customer_name", "customer_number"}),
    "createLead": frozenset(_READERS),
}
