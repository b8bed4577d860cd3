"""Names that are put into SQL text: schemas, the one thing PostgreSQL does not take as an argument."""

import re

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


def checked(identifier: str) -> str:
    """The name itself, if it is plain lower case; ValueError otherwise. Never pass anything from outside."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise ValueError(f"not a plain SQL identifier: {identifier!r}")
    return identifier
