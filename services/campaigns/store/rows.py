"""What asyncpg answers, for callers that know more than its types do."""

from collections.abc import Mapping
from typing import Any


def existing(row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A row that the statement cannot fail to return."""
    if row is None:
        raise LookupError("a row that must exist does not")
    return row
