"""Assistants of the directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

PROVIDER = "vapi"


class Source(StrEnum):
    LOCAL = "LOCAL"
    IMPORTED = "IMPORTED"
    TEMPLATE = "TEMPLATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    id: UUID
    org_id: UUID
    name: str
    source: Source
    provider: str
    provider_assistant_id: str
    config: Mapping[str, Any]
    active: bool
    ephemeral: bool
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        return str(self.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAssistant:
    """An assistant as the provider has it."""

    id: str
    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantChange:
    """What a caller wants changed; None leaves a field as it is."""

    name: str | None = None
    config: Mapping[str, Any] | None = None
    active: bool | None = None

    @property
    def concerns_provider(self) -> bool:
        return self.name is not None or self.config is not None
