"""Whether a call was a success, from the provider's evaluation of it.

The provider gives text in every rubric: PassFail `true`; NumericScale `8` (of 10); PercentageScale `85%`;
DescriptiveScale `Excellent`, `Good`, `Fair`, `Poor`; LikertScale `Strongly Agree` to `Strongly Disagree`;
Checklist, Matrix and AutomaticRubric several criteria, mostly as JSON. A value on a scale is a success above
the scale's middle; several criteria are one if all of them are. What says neither stays open.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from services.calls.domain.text import folded

_WORDS: Final = {
    **dict.fromkeys(
        ("true", "pass", "passed", "success", "successful", "yes", "met", "done", "completed", "succeeded"),
        True,
    ),
    **dict.fromkeys(("vrai", "reussi", "succes", "oui"), True),
    **dict.fromkeys(
        ("false", "fail", "failed", "failure", "unsuccessful", "no", "not met", "unmet", "missed"), False
    ),
    **dict.fromkeys(("faux", "echec", "echoue", "non"), False),
    **dict.fromkeys(("excellent", "good", "very good"), True),
    **dict.fromkeys(("fair", "poor", "very poor", "bad"), False),
    **dict.fromkeys(("strongly agree", "agree"), True),
    **dict.fromkeys(("disagree", "strongly disagree"), False),
}
_NUMBER: Final = r"(\d{1,3}(?:[.,]\d{1,4})?)"
_PERCENT: Final = re.compile(_NUMBER + r"\s*%")
_RATIO: Final = re.compile(_NUMBER + r"\s*(?:/|of|out of|sur)\s*(\d{1,3})")
_PLAIN: Final = re.compile(_NUMBER)
_BOX: Final = re.compile(r"^\s*[-*]?\s*\[([ xX])\]", re.MULTILINE)
_SCALE_MAX: Final = 10
# `Criterion: verdict`, a line each.
_VERDICT: Final = re.compile(r"^[^:\n]{1,200}:\s*([^\n]{1,60})$", re.MULTILINE)
_LENGTH_MAX: Final = 20_000
# What says how good a criterion is, where several things are told about it.
_VERDICT_KEYS: Final = ("status", "result", "score", "rating", "level", "passed", "met", "value")


def succeeded(raw: str) -> bool | None:
    """None if the evaluation says neither."""
    told = raw.strip()[:_LENGTH_MAX]
    if told[:1] in ("{", "["):
        try:
            return _of_value(msgspec.json.decode(told), depth=0)
        except (ValueError, RecursionError):
            pass
    verdict = _of_text(told)
    return verdict if verdict is not None else _of_lines(told)


def _of_text(told: str) -> bool | None:
    words = folded(told)
    if words in _WORDS:
        return _WORDS[words]
    if found := _PERCENT.fullmatch(told):
        return _above_middle(found[1], scale=100)
    if found := _RATIO.fullmatch(told.lower()):
        return _above_middle(found[1], scale=int(found[2]))
    if found := _PLAIN.fullmatch(told):
        # A plain number is one to ten; a larger one can only be a percentage.
        return _above_middle(found[1], scale=_SCALE_MAX if _decimal(found[1]) <= _SCALE_MAX else 100)
    return None


def _of_lines(told: str) -> bool | None:
    boxes = _BOX.findall(told)
    if boxes:
        return " " not in boxes
    return _all([_of_text(verdict.strip(" .")) for verdict in _VERDICT.findall(told)])


def _of_value(value: Any, *, depth: int) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        return _of_text(str(value)[:100].strip())
    if depth > 5:
        return None
    if isinstance(value, list):
        return _all([_of_value(item, depth=depth + 1) for item in value])
    if isinstance(value, dict):
        return _of_criteria(value, depth=depth)
    return None


def _of_criteria(criteria: dict[str, Any], *, depth: int) -> bool | None:
    by_word = {folded(key): value for key, value in criteria.items()}
    for key in _VERDICT_KEYS:
        if key in by_word:
            return _of_value(by_word[key], depth=depth + 1)
    return _all([_of_value(value, depth=depth + 1) for value in criteria.values()])


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    """A criterion that was missed decides; one that nobody can read leaves it open."""
    if False in verdicts:
        return False
    return None if None in verdicts or not verdicts else True


def _above_middle(number: str, *, scale: int) -> bool | None:
    value = _decimal(number)
    return value > scale / 2 if scale > 0 and value <= scale else None


def _decimal(number: str) -> float:
    return float(number.replace(",", "."))
