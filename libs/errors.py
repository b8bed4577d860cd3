"""The one tree of errors that a caller may see. Standard library only, so that `domain` may raise it.

ServiceError            kind says what the caller can do, reason says what happened
  <service>.errors.*    each service's leaves, listed in its own errors.py
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


class Kind(StrEnum):
    """What kind of refusal it is; `libs.rpc.status` gives each kind its gRPC code."""

    BAD_INPUT = "bad_input"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    LOST_RACE = "lost_race"
    WRONG_STATE = "wrong_state"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request and the rule it breaks, in words for the caller."""

    field: str
    description: str


class ServiceError(Exception):
    """Something broke on our side."""

    # Attributes of the class in each leaf; an instance may carry its own (an error received from a peer
    # does).
    kind: Kind = Kind.INTERNAL
    # A member of callplane.errors.v1.ErrorReason, without its prefix.
    reason: str = "INTERNAL"

    # Seconds after which a retry makes sense, where every instance of the class says the same.
    retry_after_seconds_default: ClassVar[float | None] = None

    def __init__(
        self,
        message: str | None = None,
        *,
        metadata: Mapping[str, str] = _NO_METADATA,
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        """The caller sees all of it: no secret and no personal data. The message defaults to the class
        docstring."""
        self.message = message or _first_paragraph(type(self).__doc__)
        self.metadata = dict(metadata)
        self.violations = tuple(violations)
        if retry_after_seconds is None:
            retry_after_seconds = self.retry_after_seconds_default
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)


class InvalidArgument(ServiceError):
    """The request is not valid."""

    kind = Kind.BAD_INPUT
    reason = "INVALID_ARGUMENT"


class NotFound(ServiceError):
    """There is no such thing."""

    kind = Kind.MISSING
    reason = "NOT_FOUND"


class EtagMismatch(ServiceError):
    """Somebody else changed it first."""

    kind = Kind.LOST_RACE
    reason = "ETAG_MISMATCH"


class IdempotencyKeyReused(ServiceError):
    """The idempotency key was used for another request."""

    kind = Kind.DUPLICATE
    reason = "IDEMPOTENCY_KEY_REUSED"


class InvalidPageToken(ServiceError):
    """The page token does not belong to this list."""

    kind = Kind.BAD_INPUT
    reason = "INVALID_PAGE_TOKEN"


class LimitExceeded(ServiceError):
    """A limit is reached."""

    kind = Kind.EXHAUSTED
    reason = "LIMIT_EXCEEDED"
    retry_after_seconds_default = 1.0


def _first_paragraph(doc: str | None) -> str:
    return " ".join((doc or "Error.").split("\n\n")[0].split())
