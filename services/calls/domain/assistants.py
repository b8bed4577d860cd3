"""An assistant as the provider has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAssistant:
    """`config` is free of secrets and of what we set ourselves, so that it can be sent back as it is."""

    id: str
    name: str
    config: Mapping[str, Any]
    updated_at: datetime | None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListPlace:
    """Where a list of assistants goes on: the account, counted from the oldest, and the time of creation that
    was reached there, with those of that very moment that were shown already."""

    account: int = 0
    created_to: datetime | None = None
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPhoneNumber:
    id: str
    number: str
    name: str
