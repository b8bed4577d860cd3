"""Phone numbers: E.164 in, or a reason why not; what may be called at all; where it rings."""

import re
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import shortnumberinfo
from phonenumbers import timezone as zone_data

from libs.errors import FieldViolation, Kind, ServiceError
from libs.masking import mask_phone as mask

__all__ = [
    "InvalidPhone",
    "Uncallable",
    "is_possible",
    "is_region",
    "mask",
    "time_zones",
    "to_callable",
    "to_e164",
    "uncallable",
]

_REASONS = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "has no known country code",
    phonenumbers.NumberParseException.NOT_A_NUMBER: "is not a phone number",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "is too short",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "is too short",
    phonenumbers.NumberParseException.TOO_LONG: "is too long",
}

_IMPOSSIBLE = {
    phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: "has no known country code",
    phonenumbers.ValidationResult.TOO_SHORT: "is too short",
    phonenumbers.ValidationResult.TOO_LONG: "is too long",
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "has no area code",
}

# Country codes of no country that ring at the callee's expense; all others of the kind are satellites and
# networks that bill like premium numbers.
_FREE_WORLDWIDE = frozenset({800})
_NO_COUNTRY = "001"
_SHORT_DIGITS_MAX = 6


class Uncallable(StrEnum):
    """Why a number is never called, whoever asks."""

    PREMIUM = "PREMIUM_NUMBER"
    EMERGENCY = "EMERGENCY_NUMBER"
    SHORT = "SHORT_NUMBER"
    UNREADABLE = "INVALID_NUMBER"


_UNCALLABLE = {
    Uncallable.PREMIUM: "is a premium-rate number, which is never called",
    Uncallable.EMERGENCY: "is an emergency number, which is never called",
    Uncallable.SHORT: "is a short number, which is never called",
    Uncallable.UNREADABLE: "cannot be read",
}


class InvalidPhone(ServiceError):
    """The phone number cannot be called."""

    kind = Kind.BAD_INPUT
    reason = "INVALID_PHONE_NUMBER"

    def __init__(self, why: str, *, field: str = "") -> None:
        """`why` completes "the phone number ..."; the number itself stays out of the error."""
        self.why = why
        violations = [FieldViolation(field, f"the phone number {why}")] if field else []
        super().__init__(f"The phone number {why}.", violations=violations)


def to_e164(text: str, *, region: str | None, field: str = "") -> str:
    """The number in E.164. `region` (ISO 3166, upper case) reads national forms; None takes only `+...`.

    Possible is enough (length and area code form): numbering plans change more often than we are updated.
    """
    if len(text) > 40:
        raise InvalidPhone("is too long", field=field)
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as exc:
        raise InvalidPhone(_REASONS.get(exc.error_type, "cannot be read"), field=field) from None
    verdict = phonenumbers.is_possible_number_with_reason(number)
    if verdict != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise InvalidPhone(_IMPOSSIBLE.get(verdict, "cannot be called"), field=field)
    if number.extension:
        raise InvalidPhone("has an extension", field=field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def to_callable(text: str, *, region: str | None, field: str = "") -> str:
    """As `to_e164`, and also refuses premium-rate, emergency and short numbers."""
    digits = "".join(character for character in text if character.isdecimal())
    if region and len(digits) <= _SHORT_DIGITS_MAX:
        kind = _short_kind(digits, region)
        if kind is not None:
            raise InvalidPhone(_UNCALLABLE[kind], field=field)
    number = to_e164(text, region=region, field=field)
    found = uncallable(number)
    if found is not None:
        raise InvalidPhone(_UNCALLABLE[found], field=field)
    return number


@lru_cache(maxsize=4096)
def uncallable(e164: str) -> Uncallable | None:
    """None if the number may be called as far as its kind goes. Emergency and short numbers count as such
    behind a country code too: some networks connect them."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return Uncallable.UNREADABLE
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    if region == _NO_COUNTRY:
        return None if number.country_code in _FREE_WORLDWIDE else Uncallable.PREMIUM
    national = phonenumbers.national_significant_number(number)
    if len(national) <= _SHORT_DIGITS_MAX:
        kind = _short_kind(national, region)
        if kind is not None:
            return kind
    premium = _premium_of(number.country_code or 0)
    return Uncallable.PREMIUM if premium is not None and premium.fullmatch(national) else None


@lru_cache(maxsize=512)
def _premium_of(country_code: int) -> re.Pattern[str] | None:
    """Numbers at premium rates or shared cost, in any region of the country code; the library's own look at a
    number's type tries every other type as well."""
    regions = phonenumbers.region_codes_for_country_code(country_code)
    plans = [phonenumbers.PhoneMetadata.metadata_for_region(region, None) for region in regions]
    kinds = [kind for plan in plans if plan for kind in (plan.premium_rate, plan.shared_cost) if kind]
    patterns = [f"(?:{kind.national_number_pattern})" for kind in kinds if kind.national_number_pattern]
    return re.compile("|".join(patterns)) if patterns else None


def _short_kind(digits: str, region: str) -> Uncallable | None:
    if shortnumberinfo.is_emergency_number(digits, region):
        return Uncallable.EMERGENCY
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    # Some countries have normal numbers of six digits.
    if shortnumberinfo.is_valid_short_number(number) and not phonenumbers.is_valid_number(number):
        return Uncallable.SHORT
    return None


@lru_cache(maxsize=16384)
def time_zones(e164: str) -> tuple[str, ...]:
    """Every zone in which the number may ring, by the IANA's names; empty if nothing is known. An area code
    may lie in several, and a mobile or toll-free number anywhere in its country."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return ()
    found = zone_data.time_zones_for_number(number)
    if found == (zone_data.UNKNOWN_TIMEZONE,):
        # The numbering plan does not know the number yet; its first digits still tell where it is.
        found = zone_data.time_zones_for_geographical_number(number)
    return () if zone_data.UNKNOWN_TIMEZONE in found else tuple(found)


def is_possible(text: str, *, region: str | None = None) -> bool:
    try:
        to_e164(text, region=region)
    except InvalidPhone:
        return False
    return True


def is_region(text: str) -> bool:
    """Whether national numbers can be read for this region (ISO 3166, upper case)."""
    return text in phonenumbers.SUPPORTED_REGIONS
