"""What the text of an alert says."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.alerts import Lead, is_raised, render
from services.notify.domain.phone_text import SMS_CHARACTERS_MAX, segments


def lead(**fields: object) -> Lead:
    defaults = {
        "id": uuid4(),
        "org_id": uuid4(),
        "call_id": "c1",
        "priority": "P2",
        "priority_reason": "municipal",
        "sla_seconds": 90,
        "customer_name": "Marie Tremblay",
        "customer_number": "+15142885071",
        "address": "1200, rue Ontario Est",
        "problem_description": "Refoulement",
    }
    return Lead(**{**defaults, **fields})  # type: ignore[arg-type]


def test_the_built_in_text_leaves_out_what_is_not_known() -> None:
    text = render("", lead(customer_name="", address=""))

    assert "P2 municipal\n+15142885071\nRefoulement\nCall back within 2 min. Reply ACK to take it." == text


def test_a_template_is_filled_and_its_unknown_placeholders_stay() -> None:
    text = render("{priority}/{sla_minutes}: {problem_description} {whatever} {0}", lead())

    assert "P2/2: Refoulement {whatever} {0}" == text


def test_what_a_caller_said_is_not_a_template() -> None:
    said = "{customer_number} {priority.__class__}"

    assert f"P2 {said}" == render("{priority} {problem_description}", lead(problem_description=said))


@given(st.text(max_size=3000), st.text(max_size=500))
def test_the_text_is_at_most_three_segments_with_the_built_in_template(description: str, name: str) -> None:
    text = render("", lead(problem_description=description, customer_name=name[:40], address=""))

    assert 1 <= len(text) <= SMS_CHARACTERS_MAX
    assert segments(text) <= 3
    assert text.endswith("Reply ACK to take it.")


@pytest.mark.parametrize(
    ("priority", "previous", "raised"),
    [("P1", "", True), ("P1", "P2", True), ("P2", "P2", False), ("P3", "P2", False), ("", "", False)],
)
def test_only_a_higher_priority_is_a_raise(priority: str, previous: str, raised: bool) -> None:
    assert raised == is_raised(priority, previous=previous)
