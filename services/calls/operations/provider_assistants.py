"""Assistants at the provider. The campaigns service keeps the directory of them; only this one may ask the
provider."""

from collections.abc import Mapping
from typing import Any, Protocol

from services.calls.domain.assistants import ProviderAssistant


class AssistantProvider(Protocol):
    """Each raises ProviderUnavailable, ProviderRefused or ProviderAssistantNotFound."""

    async def create_assistant(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant: ...

    async def get_assistant(self, provider_assistant_id: str) -> ProviderAssistant: ...

    async def update_assistant(
        self, provider_assistant_id: str, *, name: str, config: Mapping[str, Any] | None
    ) -> ProviderAssistant: ...


class ProviderAssistants:
    """Every organization shares the process's credentials at the provider for now."""

    def __init__(self, provider: AssistantProvider) -> None:
        self._provider = provider

    async def create(self, *, name: str, config: Mapping[str, Any]) -> ProviderAssistant:
        """Not idempotent: the provider takes no key, so a repeat after a lost answer makes a second
        assistant."""
        return await self._provider.create_assistant(name=name, config=config)

    async def get(self, provider_assistant_id: str) -> ProviderAssistant:
        return await self._provider.get_assistant(provider_assistant_id)

    async def update(
        self, provider_assistant_id: str, *, name: str, config: Mapping[str, Any] | None
    ) -> ProviderAssistant:
        return await self._provider.update_assistant(provider_assistant_id, name=name, config=config)
