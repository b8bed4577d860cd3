"""API keys: how they are written, what is kept of them, and when they let a request in.

    vx_ + 32 random base62 characters + 6 characters of CRC32 over what stands before

The checksum turns away typing mistakes and guesses without a look into the database; it protects nothing.
"""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

PREFIX: Final = "vx_"
SHOWN_LENGTH: Final = 10

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_LENGTH: Final = 32
_CHECKSUM_LENGTH: Final = 6
_LENGTH: Final = len(PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH
_CHARACTERS: Final = frozenset(_ALPHABET)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key; the key itself is not."""

    id: UUID
    org_id: UUID
    name: str
    prefix: str
    scopes: frozenset[str]
    enabled: bool
    expires_at: datetime | None
    # 0 means no limit.
    hourly_rate: int
    quota: int
    usage_count: int
    last_used_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewApiKey:
    name: str
    scopes: frozenset[str]
    expires_at: datetime | None
    hourly_rate: int
    quota: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyChange:
    """None leaves a field as it is."""

    name: str | None = None
    enabled: bool | None = None
    expires_at: datetime | None = None
    hourly_rate: int | None = None
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of one key so far: over its life, and in the hour that began at `hour`."""

    total: int
    hour: datetime
    in_hour: int


class Limit(StrEnum):
    HOURLY_RATE = "hourly_rate"
    QUOTA = "quota"


def generate(choose: Callable[[str], str]) -> str:
    """A new key; `choose` picks one character of its argument and must be cryptographically random."""
    body = PREFIX + "".join(choose(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether it can be a key at all: length, alphabet and checksum."""
    if len(text) != _LENGTH or not text.startswith(PREFIX) or not _CHARACTERS.issuperset(text[len(PREFIX) :]):
        return False
    return text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def digest(key: str) -> bytes:
    """What is stored. The key has 190 random bits, so a fast hash is enough."""
    return hashlib.sha256(key.encode()).digest()


def shown_prefix(key: str) -> str:
    return key[:SHOWN_LENGTH]


def is_live(key: ApiKey, *, now: datetime) -> bool:
    return key.enabled and (key.expires_at is None or now < key.expires_at)


def hour_of(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def limit_reached(key: ApiKey, usage: Usage, *, now: datetime, hourly: bool) -> Limit | None:
    """The limit that the next request would break; `hourly` off leaves the rate out."""
    if key.quota and usage.total >= key.quota:
        return Limit.QUOTA
    in_hour = usage.in_hour if usage.hour == hour_of(now) else 0
    if hourly and key.hourly_rate and in_hour >= key.hourly_rate:
        return Limit.HOURLY_RATE
    return None


def _checksum(body: str) -> str:
    rest = zlib.crc32(body.encode())
    characters = []
    for _ in range(_CHECKSUM_LENGTH):
        rest, index = divmod(rest, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(reversed(characters))
