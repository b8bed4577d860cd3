"""Customers' regular expressions over callers' words.

RE2 takes time in proportion to the text, whatever pattern and text are; it has neither look-around nor
references back. Case and accents do not matter: both sides are without accents.
"""

from functools import lru_cache
from typing import Any, Final

import re2

from libs.errors import FieldViolation
from services.calls.domain.text import plain

LENGTH_MAX: Final = 200
# Of the compiled pattern; `(x{1000}){1000}` is refused.
_MEMORY_BYTES_MAX: Final = 256 * 1024


def problem_of(pattern: str, *, field: str) -> FieldViolation | None:
    """None if it can be used."""
    if len(pattern) > LENGTH_MAX:
        return FieldViolation(field, f"must have at most {LENGTH_MAX} characters")
    if pattern and _compiled(pattern) is None:
        return FieldViolation(field, "is not a regular expression in the syntax of RE2, or is too large")
    return None


def occurs(pattern: str, plain_text: str) -> bool:
    """Whether it matches anywhere in a text without accents. A pattern that cannot be used matches
    nothing."""
    compiled = _compiled(pattern)
    return compiled is not None and compiled.search(plain_text) is not None


@lru_cache(maxsize=2000)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = _MEMORY_BYTES_MAX
    options.log_errors = False
    try:
        return re2.compile(plain(pattern), options)
    except re2.error:
        return None
