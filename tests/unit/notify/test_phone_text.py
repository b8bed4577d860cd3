"""How much room a text takes, and how it is made to take less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.phone_text import cleaned, segments, shortened, to_gsm


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ê" * 70, 1),
        ("ê" * 71, 2),
        ("\U0001f6b0" * 35, 1),
        ("\U0001f6b0" * 36, 2),
    ],
)
def test_segments_are_counted_as_carriers_count(text: str, count: int) -> None:
    assert count == segments(text)


def test_rare_accents_and_typography_give_way_to_the_gsm_alphabet() -> None:
    assert "L'eau coule a flots - ca presse" == to_gsm("L\u2019eau coule â flots – ça presse")
    assert "Évier à réparer" == to_gsm("Évier à réparer")


def test_other_scripts_stay_as_they_are() -> None:
    assert "水漏れ" == to_gsm("水漏れ")


def test_what_cannot_be_seen_is_removed() -> None:
    assert "Call now" == cleaned("Call\u202e\n\t now\x00\u200b")


@given(st.text(max_size=300), st.integers(min_value=0, max_value=100))
def test_a_shortened_text_is_never_too_long(text: str, length_max: int) -> None:
    assert len(shortened(text, length_max=length_max)) <= max(length_max, 0)
