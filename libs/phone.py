"""Phone numbers: E.164 in, or a reason why not."""

import phonenumbers

from libs.errors import FieldViolation, Kind, ServiceError
from libs.masking import mask_phone as mask

__all__ = ["InvalidPhone", "is_possible", "is_region", "mask", "to_e164"]

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


def is_possible(text: str, *, region: str | None = None) -> bool:
    try:
        to_e164(text, region=region)
    except InvalidPhone:
        return False
    return True


def is_region(text: str) -> bool:
    """Whether national numbers can be read for this region (ISO 3166, upper case)."""
    return text in phonenumbers.SUPPORTED_REGIONS
