"""Assistants at the provider. The campaigns service keeps the directory of them; only this one may ask the
provider."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from services.calls.domain.assistants import ProviderAssistant
from services.calls.errors import ProviderAssistantNotFound
from services.calls.operations.voice_provider import AssistantProvider


class AssistantProviders(Protocol):
    async def of(self, account_id: UUID | None, *, org_id: UUID) -> AssistantProvider: ...

    async def every(self, *, org_id: UUID) -> Sequence[AssistantProvider]: ...


class ProviderAssistants:
    """Where no account is named, a new assistant goes to the organization's oldest active account, and a
    known one is looked for in each."""

    def __init__(self, providers: AssistantProviders) -> None:
        self._providers = providers

    async def create(
        self, *, org_id: UUID, account_id: UUID | None, name: str, config: Mapping[str, Any]
    ) -> ProviderAssistant:
        """Not idempotent: the provider takes no key, so a repeat after a lost answer makes a second
        assistant."""
        provider = await self._providers.of(account_id, org_id=org_id)
        return await provider.create_assistant(name=name, config=config)

    async def get(
        self, provider_assistant_id: str, *, org_id: UUID, account_id: UUID | None
    ) -> ProviderAssistant:
        return await self._at_its_account(
            lambda provider: provider.get_assistant(provider_assistant_id),
            org_id=org_id,
            account_id=account_id,
        )

    async def update(
        self,
        provider_assistant_id: str,
        *,
        org_id: UUID,
        account_id: UUID | None,
        name: str,
        config: Mapping[str, Any] | None,
    ) -> ProviderAssistant:
        return await self._at_its_account(
            lambda provider: provider.update_assistant(provider_assistant_id, name=name, config=config),
            org_id=org_id,
            account_id=account_id,
        )

    async def _at_its_account(
        self,
        act: Callable[[AssistantProvider], Awaitable[ProviderAssistant]],
        *,
        org_id: UUID,
        account_id: UUID | None,
    ) -> ProviderAssistant:
        """At the first account that knows the assistant. One that cannot be asked ends the search: the
        assistant may be there."""
        if account_id is not None:
            return await act(await self._providers.of(account_id, org_id=org_id))
        for provider in await self._providers.every(org_id=org_id):
            try:
                return await act(provider)
            except ProviderAssistantNotFound:
                continue
        raise ProviderAssistantNotFound
