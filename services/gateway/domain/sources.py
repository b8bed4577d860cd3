"""Sources: the addresses that providers send their webhooks to, each with the ways a webhook may prove its
origin."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.gateway.domain.signatures import Scheme, SignatureSettings

VAPI: Final = "vapi"
TWILIO: Final = "twilio"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,60}")


@dataclass(frozen=True, slots=True)
class Source:
    id: UUID
    org_id: UUID
    # The last part of its URL; unique over all organizations.
    name: str
    provider: str
    schemes: tuple[Scheme, ...]
    settings: SignatureSettings
    created_at: datetime
    # Until then the secret before the last rotation lets webhooks in too.
    previous_secret_expires_at: datetime | None = None
    # Takes calls that nobody else takes; the provider's id.
    default_assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class NewSource:
    name: str
    provider: str
    schemes: tuple[Scheme, ...]
    settings: SignatureSettings
    default_assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class OpenSource:
    """A source with the secrets its webhooks are checked against; lives in memory only. `previous_secret` is
    empty if there is none."""

    source: Source
    secret: bytes
    previous_secret: bytes = b""

    def secrets(self, now: float) -> tuple[bytes, ...]:
        """Those that are good at `now`, in seconds since 1970. A source is kept in memory for longer than an
        overlap may still last, so the clock is asked each time."""
        expires_at = self.source.previous_secret_expires_at
        if expires_at is None or now >= expires_at.timestamp():
            return (self.secret,)
        return (self.secret, self.previous_secret)

    def __repr__(self) -> str:
        return f"OpenSource({self.source.name!r})"


def is_name(text: str) -> bool:
    """Whether a source can have this name; saves a look into the database for whatever else stands in a
    URL."""
    return _NAME.fullmatch(text) is not None


def path(provider: str, name: str) -> str:
    """Where its webhooks go; Twilio's continue with what they are about."""
    return f"/hooks/{provider}/{name}"
