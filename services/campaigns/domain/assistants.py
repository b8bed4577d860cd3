"""Assistants of the directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

PROVIDER = "vapi"
NAME_LENGTH_MAX = 40
GONE_AT_PROVIDER = "GONE_AT_PROVIDER"


class Source(StrEnum):
    LOCAL = "LOCAL"
    IMPORTED = "IMPORTED"
    TEMPLATE = "TEMPLATE"


@dataclass(frozen=True, slots=True)
class Content:
    """What versions are made of."""

    name: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """`provider_assistant_id` is empty for templates, which the provider does not have."""

    id: UUID
    org_id: UUID
    name: str
    source: Source
    provider: str
    provider_assistant_id: str
    config: Mapping[str, Any]
    active: bool
    inactive_reason: str
    ephemeral: bool
    version: int
    revision: int
    # What was sent to the provider last, if that is not known to have become the content.
    written_name: str | None
    written_config: Mapping[str, Any] | None
    checked_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        return str(self.revision)

    @property
    def content(self) -> Content:
        return Content(self.name, self.config)

    @property
    def last_written(self) -> Content:
        if self.written_name is None or self.written_config is None:
            return self.content
        return Content(self.written_name, self.written_config)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAssistant:
    """An assistant as the provider has it."""

    id: str
    name: str
    config: Mapping[str, Any]
    updated_at: datetime | None = None

    @property
    def content(self) -> Content:
        return Content(self.name, self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantChange:
    """What a caller wants changed; None leaves a field as it is. Fields of `config` replace those of the same
    name, None among them takes one away."""

    name: str | None = None
    config: Mapping[str, Any] | None = None
    active: bool | None = None

    def content(self, current: Content) -> Content:
        """What the assistant becomes."""
        patched = {**current.config, **(self.config or {})}
        config = {key: value for key, value in patched.items() if value is not None}
        return Content(current.name if self.name is None else self.name, config)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantVersion:
    version: int
    name: str
    config: Mapping[str, Any]
    created_at: datetime
    restored_version: int | None

    @property
    def content(self) -> Content:
        return Content(self.name, self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistenceCheck:
    """An assistant that the provider is to be asked about."""

    assistant_id: UUID
    org_id: UUID
    provider_assistant_id: str
    missed_before: bool
