"""Words as people mean them: without case, accents and punctuation."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_WORDS: Final = re.compile(r"[^\W_]+")
_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae"})
_WORD_WITH_PLURAL_LENGTH_MIN: Final = 4


def plain(text: str) -> str:
    """Without accents; case, spaces and punctuation stay."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def folded(text: str) -> str:
    """`Refoulement d'ÉGOUT, sous-sol` is `refoulement d egout sous sol`."""
    return " ".join(_WORDS.findall(plain(text.casefold().translate(_LIGATURES))))


def key_of(text: str) -> str:
    """The form in which kinds of service and places are compared: `Drain français` is `drain_francais`."""
    return folded(text).replace(" ", "_")


def contains_any(folded_text: str, keywords: Iterable[str]) -> bool:
    """Whether one of the keywords begins at the beginning of a word of a folded text."""
    padded = f" {folded_text}"
    return any(f" {keyword}" in padded for keyword in map(_folded_keyword, keywords) if keyword)


def words_of(text: str) -> str:
    """Folded, and in the singular: `Fosses septiques` is `fosse septique`."""
    return " ".join(map(_singular, folded(text).split()))


def contains_phrase(text: str, phrase: str) -> bool:
    """Whether the words of `phrase` occur in `text` one after the other, in the singular or the plural."""
    wanted = _words_of_phrase(phrase)
    return bool(wanted) and f" {wanted} " in f" {words_of(text)} "


def _singular(word: str) -> str:
    """Near enough to compare by: both sides are treated alike."""
    return word[:-1] if len(word) >= _WORD_WITH_PLURAL_LENGTH_MIN and word[-1] in "sx" else word


# Rules are read again every few seconds, and their words do not change.
_folded_keyword: Final = lru_cache(maxsize=20_000)(folded)
_words_of_phrase: Final = lru_cache(maxsize=20_000)(words_of)
