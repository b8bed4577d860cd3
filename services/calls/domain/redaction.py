"""Personal data that an organization does not want in its record, taken out of texts.

A pure function of text and setting, so the record can be made again from the ledger. Numbers are found as
people write and as telephones hear them: with spaces, dashes and dots, digit by digit, or as words.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from services.calls.domain.facts import Fact
from services.calls.domain.transcript import Telling


class PiiKind(StrEnum):
    """SSN: American social security and Canadian social insurance numbers. CARD: numbers of payment cards
    with a right check digit. EMAIL: addresses, also spoken ones (`jean at exemple dot ca`)."""

    SSN = "SSN"
    CARD = "CARD"
    EMAIL = "EMAIL"


Redaction = frozenset[PiiKind]
NOTHING: Final[Redaction] = frozenset()

# Facts that are a person's or a model's words. The caller's own address and number are kept: somebody has to
# call back.
_WORDED: Final = (
    "summary", "analysis", "problem_description", "success_evaluation", "customer_name", "address", "city",
)  # fmt: skip

_SAID: Final = (
    ("zero", "zéro", "oh"), ("one", "un"), ("two", "deux"), ("three", "trois"), ("four", "quatre"),
    ("five", "cinq"), ("six",), ("seven", "sept"), ("eight", "huit"), ("nine", "neuf"),
)  # fmt: skip
_DIGIT_WORDS: Final = {word: str(digit) for digit, words in enumerate(_SAID) for word in words}
_TOKEN: Final = r"(?:\d++(?!\w)|\b(?:" + "|".join(_DIGIT_WORDS) + r")\b)"
# A run of digits with what may stand between them. Possessive: a text cannot make it slow.
_RUN: Final = re.compile(rf"(?<![\w]){_TOKEN}(?:[\s.,/·–—-]{{1,3}}+{_TOKEN})*+", re.IGNORECASE)
_TOKENS: Final = re.compile(_TOKEN, re.IGNORECASE)

# What RFC 5322 allows before the sign without quotes.
_LOCAL: Final = r"[\w.!#$%&'*+/=?^`{|}~-]"
_ADDRESS: Final = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}")
_SPOKEN_ADDRESS: Final = re.compile(
    r"(?<!\w)\w{1,64}+(?:\s+(?:dot|point|dash|tiret|underscore|plus)\s+\w{1,64}+){0,5}"
    r"\s+(?:at|arobase|arobas|a commercial)\s+"
    r"[\w-]{1,63}(?:\s*(?:\.|\bdot\b|\bpoint\b)\s*[\w-]{1,63}){0,3}"
    r"\s*(?:\.|\bdot\b|\bpoint\b)\s*(?:com|ca|net|org|edu|gov|info|io|co|us|fr|qc|quebec|email|biz)\b",
    re.IGNORECASE,
)
_DEPTH_MAX: Final = 50
_CARD_LENGTHS: Final = range(13, 20)
# How the numbers of a brand begin, and how long they are (ISO/IEC 7812 and the brands' own ranges).
_BRANDS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}"
    r"|(?:6011|65\d{2}|64[4-9]\d)\d{12,15}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}"
    r"|62\d{14,17}"
    r"|(?:5[06-8]|6[37])\d{11,17}"
)


@dataclass(frozen=True, slots=True)
class _Digits:
    start: int
    end: int
    digits: str


def redacted(text: str, kinds: Redaction) -> str:
    """The text with `[SSN]`, `[CARD]` or `[EMAIL]` for each that is found. Redacting again changes
    nothing."""
    if PiiKind.EMAIL in kinds:
        text = _SPOKEN_ADDRESS.sub("[EMAIL]", _ADDRESS.sub("[EMAIL]", text))
    numbers = kinds - {PiiKind.EMAIL}
    while numbers:
        after = _RUN.sub(lambda run: _without_numbers(run[0], numbers), text)
        if after == text:
            break
        # What stood beside a number may be one by itself.
        text = after
    return text


def redacted_document(value: Any, kinds: Redaction, *, depth: int = 0) -> Any:
    """JSON with all its texts redacted; numbers too, where one is such a number."""
    if not kinds or value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return redacted(value, kinds)
    if isinstance(value, int | float):
        told = str(value) if isinstance(value, float) or abs(value) < 10**20 else ""
        return value if redacted(told, kinds) == told else redacted(told, kinds)
    if depth >= _DEPTH_MAX:
        return _flattened(value, kinds)
    if isinstance(value, list):
        return [redacted_document(item, kinds, depth=depth + 1) for item in value]
    return {key: redacted_document(member, kinds, depth=depth + 1) for key, member in value.items()}


def _flattened(value: Any, kinds: Redaction) -> str:
    """What is nested deeper than anybody looks stands there as text."""
    try:
        return redacted(msgspec.json.encode(value).decode(), kinds)
    except RecursionError:
        return "[...]"


def redacted_telling(telling: Telling | None, kinds: Redaction) -> Telling | None:
    if telling is None or not kinds:
        return telling
    lines = [replace(line, message=redacted(line.message, kinds)) for line in telling.lines]
    return replace(telling, lines=lines)


def redacted_facts(facts: Mapping[str, Fact], kinds: Redaction) -> Mapping[str, Fact]:
    if not kinds:
        return facts
    worded = {
        field: [*facts[field][:2], redacted_document(facts[field][2], kinds)]
        for field in _WORDED
        if field in facts
    }
    return {**facts, **worded}


def redacted_fields(fields: Mapping[str, Any], kinds: Redaction) -> Mapping[str, Any]:
    """Fields of a call or lead, those that are words redacted."""
    return {
        field: redacted_document(value, kinds) if field in _WORDED else value
        for field, value in fields.items()
    }


def _without_numbers(run: str, kinds: Redaction) -> str:
    tokens = [_Digits(found.start(), found.end(), _digits(found[0])) for found in _TOKENS.finditer(run)]
    pieces, at = [], 0
    for first, last, kind in _numbers(tokens, kinds):
        pieces += [run[at : tokens[first].start], f"[{kind}]"]
        at = tokens[last].end
    return "".join([*pieces, run[at:]])


def _digits(token: str) -> str:
    word = _DIGIT_WORDS.get(token.lower())
    return word or "".join(str(unicodedata.decimal(character)) for character in token)


def _numbers(tokens: Sequence[_Digits], kinds: Redaction) -> Iterator[tuple[int, int, PiiKind]]:
    """First and last token of each number, from left to right."""
    if PiiKind.CARD in kinds and _is_whole_card(tokens):
        yield 0, len(tokens) - 1, PiiKind.CARD
        return
    if PiiKind.SSN in kinds and _is_whole_ssn(tokens):
        yield 0, len(tokens) - 1, PiiKind.SSN
        return
    first = 0
    while first < len(tokens):
        last, kind = _number_at(tokens, first, kinds)
        if kind is not None:
            yield first, last, kind
            first = last
        first += 1


def _number_at(tokens: Sequence[_Digits], first: int, kinds: Redaction) -> tuple[int, PiiKind | None]:
    """The longest number that begins with a token, in a run with more in it."""
    if PiiKind.CARD in kinds and tokens[first].digits[0] in "23456":
        digits, card_end = "", None
        for last in range(first, min(first + _CARD_LENGTHS.stop, len(tokens))):
            digits += tokens[last].digits
            if len(digits) >= _CARD_LENGTHS.stop:
                break
            if len(digits) in _CARD_LENGTHS and _BRANDS.fullmatch(digits) and _has_check_digit(digits):
                card_end = last
        if card_end is not None:
            return card_end, PiiKind.CARD
    if PiiKind.SSN in kinds:
        groups = [token.digits for token in tokens[first : first + 3]]
        if list(map(len, groups)) == [3, 2, 4] and _is_american("".join(groups)):
            return first + 2, PiiKind.SSN
    return first, None


def _is_whole_card(tokens: Sequence[_Digits]) -> bool:
    if len(tokens) > _CARD_LENGTHS.stop:
        return False
    digits = "".join(token.digits for token in tokens)
    return len(digits) in _CARD_LENGTHS and _has_check_digit(digits)


def _is_whole_ssn(tokens: Sequence[_Digits]) -> bool:
    """Nine digits by themselves; in groups of five and four they are a postal code."""
    if len(tokens) > 9:
        return False
    digits, groups = "".join(token.digits for token in tokens), [len(token.digits) for token in tokens]
    if len(digits) != 9 or groups == [5, 4]:
        return False
    if groups == [3, 3, 3]:
        return _is_canadian(digits)
    return _is_american(digits) or (groups != [3, 2, 4] and _is_canadian(digits))


def _is_american(digits: str) -> bool:
    """As the Social Security Administration gives them out."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _is_canadian(digits: str) -> bool:
    return digits[0] not in "08" and _has_check_digit(digits)


def _has_check_digit(digits: str) -> bool:
    """By Luhn's sum (ISO/IEC 7812-1)."""
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return any(doubled) and sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
