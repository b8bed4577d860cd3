"""Phone numbers: reading and masking."""

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from libs import phone
from libs.masking import mask_phone


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("+14155550100", None, "+14155550100"),
        ("(415) 555-0100", "US", "+14155550100"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("0033 6 12 34 56 78", "FR", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "US", "+33612345678"),
        ("514-555-0134", "CA", "+15145550134"),
        ("\u202a+14155550100\u202c", None, "+14155550100"),
    ],
)
def test_numbers_become_e164(text: str, region: str | None, expected: str) -> None:
    assert phone.to_e164(text, region=region) == expected
    assert phone.is_possible(text, region=region)


@pytest.mark.parametrize(
    ("text", "region", "why"),
    [
        ("4155550100", None, "has no known country code"),
        ("hello", "US", "is not a phone number"),
        ("", "US", "is not a phone number"),
        ("+1415555010", None, "is too short"),
        ("+141555501001", None, "is too long"),
        ("1" * 50, "US", "is too long"),
        ("555-0100", "US", "has no area code"),
        ("+14155550100 ext. 5", None, "has an extension"),
        ("+999123456789", None, "has no known country code"),
    ],
)
def test_what_cannot_be_called_is_refused_with_a_reason(text: str, region: str | None, why: str) -> None:
    with pytest.raises(phone.InvalidPhone) as raised:
        phone.to_e164(text, region=region, field="to")

    assert raised.value.why == why
    assert [violation.field for violation in raised.value.violations] == ["to"]
    assert text not in str(raised.value) or not text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+14155551234", "+1******1234"),
        ("call to +14155551234 failed", "call to +1******1234 failed"),
        ("from +33 6 12 34 56 78 to +1 (415) 555-1234.", "from +3******5678 to +1******1234."),
        ("4155551234", "4*****1234"),
        ("(415) 555-1234", "4*****1234"),
        ("order 4155551234 shipped", "order 4155551234 shipped"),
        ("018f2b6e-7c31-7a58-9c1e-3f1d2a4b5c6d", "018f2b6e-7c31-7a58-9c1e-3f1d2a4b5c6d"),
        ("2026-11-21T01:44:00+00:00", "2026-11-21T01:44:00+00:00"),
        ("1 + 2 = 3", "1 + 2 = 3"),
    ],
)
def test_masking(text: str, expected: str) -> None:
    assert mask_phone(text) == expected


@pytest.mark.parametrize(
    ("text", "region", "why"),
    [
        ("911", "CA", "is an emergency number, which is never called"),
        ("112", "FR", "is an emergency number, which is never called"),
        ("999", "GB", "is an emergency number, which is never called"),
        ("411", "US", "is a short number, which is never called"),
        ("+1 900 555 0101", None, "is a premium-rate number, which is never called"),
        ("08 99 12 34 56", "FR", "is a premium-rate number, which is never called"),
        ("+882 123456789", None, "is a premium-rate number, which is never called"),
        ("+979 123456789", None, "is a premium-rate number, which is never called"),
        ("+1 911", None, "is too short"),
    ],
)
def test_what_costs_or_alarms_is_never_called(text: str, region: str | None, why: str) -> None:
    """B27: premium, emergency and short numbers are refused."""
    with pytest.raises(phone.InvalidPhone) as raised:
        phone.to_callable(text, region=region)

    assert why == raised.value.why


def test_free_and_ordinary_numbers_may_be_called() -> None:
    assert "+80012345678" == phone.to_callable("+80012345678", region=None)
    assert "+18005550101" == phone.to_callable("1-800-555-0101", region="US")
    assert "+15145550134" == phone.to_callable("514-555-0134", region="CA")


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+15145550134", {"America/Toronto"}),
        ("+19075551234", {"America/Adak", "America/Anchorage"}),
        # Of a code that the numbering plan does not list yet.
        ("+12425551234", {"America/Nassau"}),
        ("+882123456789", set()),
        ("+999123456789", set()),
    ],
)
def test_where_a_number_may_ring(number: str, zones: set[str]) -> None:
    assert zones == set(phone.time_zones(number))


def test_in_every_region_premium_numbers_and_no_others_are_refused() -> None:
    """B27: by the numbering plan's own examples of each kind of number."""
    premium = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}
    kinds = [*premium, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE]
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in kinds:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None:
                number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                expected = phonenumbers.number_type(example) in premium

                assert expected == (phone.uncallable(number) is phone.Uncallable.PREMIUM), number
