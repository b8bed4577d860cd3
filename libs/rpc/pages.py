"""Page tokens: the place where a list goes on, opaque to the caller."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from libs.errors import InvalidPageToken

SIZE_DEFAULT: Final = 50
SIZE_MAX: Final = 500


def size(asked: int) -> int:
    """How many items a page has; 0 asks for the default."""
    return min(asked or SIZE_DEFAULT, SIZE_MAX)


def encode(values: Sequence[str]) -> str:
    """The sort key of the last item, as text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(values))).decode().rstrip("=")


def decode(token: str, *, size: int) -> list[str]:
    """The `size` values of a token; none for an empty one. What the values say is the caller's to check."""
    if not token:
        return []
    try:
        values = msgspec.json.decode(
            base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True), type=list[str]
        )
    except (ValueError, RecursionError):
        raise InvalidPageToken from None
    if len(values) != size or any("\0" in value for value in values):
        raise InvalidPageToken
    return values


def moment(value: str) -> datetime:
    """A time in a token, as `isoformat` wrote it."""
    try:
        at = datetime.fromisoformat(value)
        # Some times with an offset are in no year that there is in UTC.
        in_utc = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidPageToken from None
    if at.tzinfo is None:
        raise InvalidPageToken
    return in_utc
