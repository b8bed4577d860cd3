"""Words as people mean them: without case, accents and punctuation."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+")
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae"})


def folded(text: str) -> str:
    """`Refoulement d'ÉGOUT, sous-sol` is `refoulement d egout sous sol`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).translate(_LIGATURES)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(_WORDS.findall(plain))


def key_of(text: str) -> str:
    """The form in which kinds of service and places are compared: `Drain français` is `drain_francais`."""
    return folded(text).replace(" ", "_")


def contains_any(folded_text: str, keywords: Iterable[str]) -> bool:
    """Whether one of the keywords begins at the beginning of a word of a folded text."""
    padded = f" {folded_text}"
    return any(f" {keyword}" in padded for keyword in map(folded, keywords) if keyword)
