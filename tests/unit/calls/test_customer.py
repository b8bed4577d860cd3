"""What callers tell, in whichever words the assistant was configured with."""

from typing import Any

import pytest

from services.calls.domain.customer import amount, caller_number, customer_data


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("nom", "Jean Tremblay", "customer_name", "Jean Tremblay"),
        ("Full Name", "Ann", "customer_name", "Ann"),
        ("courriel", "A@B.ca", "customer_email", "a@b.ca"),
        ("email", "a@b.co.uk", "customer_email", "a@b.co.uk"),
        ("codePostal", "h2x 1y4", "postal_code", "H2X 1Y4"),
        ("postal_code", "H2X-1Y4", "postal_code", "H2X 1Y4"),
        ("zip", 12345, "postal_code", "12345"),
        ("zip", "123456789", "postal_code", "12345-6789"),
        ("téléphone", "514 555-0101", "customer_number", "+15145550101"),
        ("Adresse", "12 rue A", "address", "12 rue A"),
        ("ville", "Laval", "city", "Laval"),
        ("description", "Refoulement", "problem_description", "Refoulement"),
        ("serviceType", "Drain français", "service_type", "drain_francais"),
        ("type de service", "Gainage", "service_type", "gainage"),
        ("valeur estimée", "3 500 $", "estimated_value", 3500),
        ("estimatedValue", 1200.9, "estimated_value", 1200),
    ],
)
def test_known_keys(key: str, value: Any, field: str, expected: Any) -> None:
    assert ({field: expected}, {}) == customer_data({key: value})


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("courriel", "pas un courriel", "customer_email"),
        ("email", "a@b", "customer_email"),
        ("codePostal", "D1A 1A1", "postal_code"),
        ("téléphone", "12", "customer_number"),
        ("valeur", "beaucoup", "estimated_value"),
        ("valeur", -5, "estimated_value"),
        ("valeur", 1e20, "estimated_value"),
        ("nom", {"first": "Ann"}, "customer_name"),
    ],
)
def test_values_that_cannot_be_right_leave_a_note_without_the_value(key: str, value: Any, field: str) -> None:
    fields, notes = customer_data({key: value})

    assert {} == fields
    assert [field] == list(notes)
    assert str(value) not in notes[field]


def test_unknown_and_empty_keys_are_passed_over() -> None:
    assert ({}, {}) == customer_data({"shoeSize": 42, "nom": "", "courriel": None})


@pytest.mark.parametrize(
    ("told", "units"),
    [
        ("3 500,50 $", 3500),
        ("3,500.50", 3500),
        ("about 1,200", 1200),
        ("1.200", 1200),
        ("12,5", 12),
        (7, 7),
        ("0", 0),
    ],
)
def test_amounts_as_people_write_them(told: Any, units: int) -> None:
    assert units == amount(told)


@pytest.mark.parametrize("told", [True, None, "none", float("nan"), float("inf"), [], "9" * 50])
def test_no_amounts(told: Any) -> None:
    with pytest.raises(ValueError, match=r"amount|range"):
        amount(told)


def test_callers_without_a_phone_number_stay_as_they_came() -> None:
    assert "+15145550101" == caller_number("5145550101")
    assert "sip:ann@example.com" == caller_number("sip:ann@example.com")
    assert "" == caller_number(None)
