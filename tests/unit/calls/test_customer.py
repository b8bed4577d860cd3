"""What callers tell, in whichever words the assistant was configured with."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.phone import is_possible
from services.calls.domain.customer import (
    amount,
    caller_number,
    customer_data,
    customer_data_of_tool,
)


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("nom", "Jean Tremblay", "customer_name", "Jean Tremblay"),
        ("Full Name", "Ann", "customer_name", "Ann"),
        ("courriel", "A@B.ca", "customer_email", "a@b.ca"),
        ("Courriel", "jean+eau@exemple.qc.ca", "customer_email", "jean+eau@exemple.qc.ca"),
        ("e-mail", "o'neil@b.ca", "customer_email", "o'neil@b.ca"),
        ("CODE_POSTAL", "K1A 0B1", "postal_code", "K1A 0B1"),
        ("code postal", "90210-1234", "postal_code", "90210-1234"),
        ("phone", "+33 1 42 68 53 00", "customer_number", "+33142685300"),
        ("phone_number", 5145550101, "customer_number", "+15145550101"),
        ("description du problème", "Refoulement", "problem_description", "Refoulement"),
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
    """IN-9: English and French keys, values in one form."""
    assert ({field: expected}, {}) == customer_data({key: value})


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("courriel", "pas un courriel", "customer_email"),
        ("email", "a@b", "customer_email"),
        ("email", "@b.ca", "customer_email"),
        ("email", "a b@c.ca", "customer_email"),
        ("email", "a@b.ca, c@d.ca", "customer_email"),
        ("codePostal", "D1A 1A1", "postal_code"),
        ("codePostal", "W1A 1A1", "postal_code"),
        ("codePostal", "H2X", "postal_code"),
        ("codePostal", "H2O 1Y4", "postal_code"),
        ("zip", "1234", "postal_code"),
        ("zip", "123456", "postal_code"),
        ("zip", True, "postal_code"),
        ("téléphone", "911", "customer_number"),
        ("téléphone", "quatre cinq", "customer_number"),
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


def test_what_stands_in_an_object_of_its_own_is_read() -> None:
    """IN-9: assistants group their fields; what stands outside counts first."""
    fields, notes = customer_data(
        {
            "client": {"nom": "Jean", "courriel": "jean@exemple.ca"},
            "courriel": "moi@exemple.ca",
            "x": {"y": 1},
        }
    )

    assert ({"customer_name": "Jean", "customer_email": "moi@exemple.ca"}, {}) == (fields, notes)


@pytest.mark.parametrize(
    ("name", "arguments", "fields"),
    [
        ("calculateQuote", {"serviceType": "Drain français"}, {"service_type": "drain_francais"}),
        ("validateServiceRequest", {"service": "Gainage"}, {"service_type": "gainage"}),
        ("classifyPriority", {"description": "Refoulement"}, {"problem_description": "Refoulement"}),
        ("classifyPriority", {"estimatedValue": "0"}, {}),
        ("calculateQuote", {"phone": "+15145550101"}, {}),
        ("sendSMSAlert", {"phone": "+15145550101", "name": "Somebody else"}, {}),
        ("unknownTool", {"name": "Jean"}, {}),
        (
            "createLead",
            {"name": "Jean", "email": "J@b.ca", "postalCode": "h2x1y4", "urgency": "P1"},
            {"customer_name": "Jean", "customer_email": "j@b.ca", "postal_code": "H2X 1Y4"},
        ),
    ],
)
def test_tools_tell_about_the_caller_what_their_arguments_mean(
    name: str, arguments: dict[str, Any], fields: dict[str, Any]
) -> None:
    """IN-9: customer data also come from the arguments of tool calls."""
    assert (fields, {}) == customer_data_of_tool(name, arguments)


def test_bad_arguments_of_a_tool_leave_a_note() -> None:
    """IN-9: dropped with a note, never the event."""
    fields, notes = customer_data_of_tool("createLead", {"name": "Jean", "email": "nowhere", "phone": "12"})

    assert {"customer_name": "Jean"} == fields
    assert {"customer_email", "customer_number"} == set(notes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=9), children, max_size=3)
    ),
)
KEYS = st.sampled_from(
    [
        "nom",
        "courriel",
        "adresse",
        "codePostal",
        "description",
        "téléphone",
        "ville",
        "valeur",
        "service",
        "x",
    ]
)


@given(st.dictionaries(KEYS, JSON, max_size=10))
def test_whatever_a_model_writes_only_valid_fields_come_out(told: dict[str, Any]) -> None:
    """IN-9: no input raises, and a field that comes out is right."""
    fields, notes = customer_data(told)

    assert not set(fields) & set(notes)
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]{2,}", fields.get("customer_email", "a@b.ca"))
    assert re.fullmatch(r"[A-Z]\d[A-Z] \d[A-Z]\d|\d{5}(-\d{4})?", fields.get("postal_code", "12345"))
    assert is_possible(fields.get("customer_number", "+15145550101"))
    assert 0 <= fields.get("estimated_value", 0) < 2**31
    assert all(isinstance(value, str | int) and value != "" for value in fields.values())


LETTERS, DIGITS = "ABCEGHJKLMNPRSTVXY", "0123456789"


@given(
    st.tuples(
        st.sampled_from(LETTERS), st.sampled_from(DIGITS), st.sampled_from(LETTERS),
        st.sampled_from(DIGITS), st.sampled_from(LETTERS), st.sampled_from(DIGITS),
    ),
    st.sampled_from(["", " ", "-"]),
    st.booleans(),
)  # fmt: skip
def test_every_canadian_postal_code_is_read_in_every_way_of_writing_it(
    code: tuple[str, ...], separator: str, upper: bool
) -> None:
    """IN-9: letters D, F, I, O, Q and U are in none, W and Z not in the first place."""
    written = "".join(code[:3]) + separator + "".join(code[3:])
    fields, _ = customer_data({"codePostal": written if upper else written.lower()})

    assert {"postal_code": "".join(code[:3]) + " " + "".join(code[3:])} == fields


@given(
    st.integers(200, 999), st.integers(200, 999), st.integers(0, 9999), st.sampled_from([" ", "-", ".", ""])
)
def test_every_national_number_is_read_in_every_way_of_writing_it(
    area: int, exchange: int, line: int, separator: str
) -> None:
    """IN-9: phone numbers are kept as E.164."""
    written = f"{area}{separator}{exchange}{separator}{line:04}"
    fields, notes = customer_data({"téléphone": written})

    assert ({"customer_number": f"+1{area}{exchange}{line:04}"}, {}) == (fields, notes)
