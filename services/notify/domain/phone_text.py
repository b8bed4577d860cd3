"""How much room a text takes in an SMS, and how to make it take less.

A segment holds 160 characters of the GSM alphabet, 153 if there are several, or 70 and 67 of any other
alphabet: one character outside the GSM alphabet more than doubles the price of a text.
"""

import re
import unicodedata
from typing import Final

SMS_CHARACTERS_MAX: Final = 1600

_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Take two places each.
_GSM_EXTENDED: Final = frozenset("^{}\\[~]|€")
_TYPOGRAPHY: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "«": '"',
        "»": '"',
        "\u2013": "-",
        "\u2014": "-",
    }
    | {"…": "...", "œ": "oe", "Œ": "OE", "ç": "c", "•": "-", "\u00a0": " ", "\u202f": " "}
)
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+"
)


def is_e164(text: str) -> bool:
    return _E164.fullmatch(text) is not None


def segments(text: str) -> int:
    """How many segments the text is sent and paid in."""
    if all(character in _GSM or character in _GSM_EXTENDED for character in text):
        size, single, several = sum(2 if character in _GSM_EXTENDED else 1 for character in text), 160, 153
    else:
        size, single, several = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= single else -(-size // several)


def cleaned(text: str) -> str:
    """One line without anything invisible: what a stranger said is going to be shown to somebody."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def to_gsm(text: str) -> str:
    """The text in the GSM alphabet where that costs typography and rare accents only; unchanged otherwise."""
    plain = "".join(map(_to_gsm_character, text.translate(_TYPOGRAPHY)))
    return plain if all(character in _GSM or character in _GSM_EXTENDED for character in plain) else text


def shortened(text: str, *, length_max: int) -> str:
    """Cut at a word, with three dots, if it is longer."""
    if len(text) <= length_max:
        return text
    if length_max <= 3:
        return ""
    kept = text[: length_max - 3]
    at_word, _, _ = kept.rpartition(" ")
    return f"{(at_word or kept).rstrip()}..."


def _to_gsm_character(character: str) -> str:
    if character in _GSM or character in _GSM_EXTENDED:
        return character
    bare = unicodedata.normalize("NFKD", character)[:1]
    return bare if bare in _GSM else character
