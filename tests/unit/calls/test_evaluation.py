"""Whether a call was a success, in every rubric of the provider."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.calls.domain.evaluation import succeeded


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        # PassFail
        ("true", True),
        (" False ", False),
        ("Passed", True),
        ("Échec", False),
        # NumericScale
        ("1", False),
        ("5", False),
        ("6", True),
        ("10", True),
        ("7.5", True),
        ("8/10", True),
        ("3 out of 10", False),
        ("11/10", None),
        # PercentageScale
        ("85%", True),
        ("50 %", False),
        ("12,5%", False),
        ("73", True),
        ("140%", None),
        # DescriptiveScale
        ("Excellent", True),
        ("good", True),
        ("Fair", False),
        ("Poor", False),
        # LikertScale
        ("Strongly Agree", True),
        ("Agree", True),
        ("Neutral", None),
        ("Disagree", False),
        ("Strongly disagree.", False),
        # Checklist
        ('{"greeted": true, "gave a price": true}', True),
        ('{"greeted": true, "gave a price": false}', False),
        ("- [x] greeted\n- [x] gave a price", True),
        ("- [x] greeted\n- [ ] gave a price", False),
        ("Greeted: yes\nGave a price: no", False),
        # Matrix
        ('{"tone": "Excellent", "speed": "Good"}', True),
        ('{"tone": "Excellent", "speed": "Poor"}', False),
        ('{"tone": "Excellent", "speed": "purple"}', None),
        # AutomaticRubric
        ('[{"criterion": "tone", "score": 8}, {"criterion": "speed", "score": 9}]', True),
        ('[{"criterion": "tone", "score": 8}, {"criterion": "speed", "score": 2}]', False),
        # Neither
        ("", None),
        ("The caller seemed content.", None),
        ("{not json", None),
        ("[]", None),
        ("{}", None),
        ("null", None),
        ("-5", None),
    ],
)
def test_every_rubric_has_a_verdict_where_it_says_one(raw: str, verdict: bool | None) -> None:
    """IN-12: the success evaluation is text in every rubric; the boolean follows by rule."""
    assert verdict is succeeded(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=9), children, max_size=4)
    ),
)


@given(st.one_of(st.text(max_size=200), JSON.map(json.dumps)))
def test_nothing_that_a_model_writes_breaks_the_rule(raw: str) -> None:
    """IN-12: an evaluation is free text of a model."""
    assert succeeded(raw) in (True, False, None)


@given(st.lists(st.sampled_from([True, False, "Good", "Poor", 9, 2]), min_size=1, max_size=6))
def test_several_criteria_are_met_if_each_is(criteria: list[Any]) -> None:
    """IN-12: Checklist, Matrix and AutomaticRubric."""
    each = [succeeded(json.dumps(one).strip('"')) for one in criteria]

    assert all(each) is succeeded(json.dumps(criteria))
