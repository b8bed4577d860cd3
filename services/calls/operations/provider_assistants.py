"""Assistants at the provider. The campaigns service keeps the directory of them; only this one may ask the
provider."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from services.calls.domain.assistants import ListPlace, ProviderAssistant
from services.calls.errors import ProviderAssistantNotFound, ProviderUnavailable
from services.calls.operations.voice_provider import AssistantProvider

# Assistants of one millisecond; they have to fit into a page token.
_SHOWN_MAX: Final = 60


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

    async def list_page(
        self, *, org_id: UUID, size: int, place: ListPlace
    ) -> tuple[list[ProviderAssistant], ListPlace | None]:
        """A page, and where the next one begins. The provider has no pages, only a time to list up to, at
        which several assistants may stand."""
        providers = await self._providers.every(org_id=org_id)
        if place.account >= len(providers):
            return [], None
        limit = size + len(place.shown)
        found = await providers[place.account].list_assistants(limit=limit, created_to=place.created_to)
        page = [one for one in found if one.id not in place.shown]
        if len(found) < limit:
            more = place.account + 1 < len(providers)
            return page, ListPlace(place.account + 1) if more else None
        return page, _after(found, place)

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


def _after(found: Sequence[ProviderAssistant], place: ListPlace) -> ListPlace:
    reached = found[-1].created_at
    if reached is None:
        raise ProviderUnavailable(metadata={"cause": "ANSWER_UNREADABLE"})
    shown = {one.id for one in found if one.created_at == reached}
    if reached == place.created_to:
        shown.update(place.shown)
    if len(shown) > _SHOWN_MAX:
        raise ProviderUnavailable(metadata={"cause": "LIST_TOO_LONG"})
    return ListPlace(place.account, reached, tuple(sorted(shown)))
