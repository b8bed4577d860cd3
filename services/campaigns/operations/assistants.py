"""The directory of assistants. The provider comes first, our record after; no transaction is open
meanwhile."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from libs.errors import EtagMismatch, ServiceError
from libs.pg import Pool, transaction
from services.campaigns.domain.assistants import Assistant, AssistantChange, ProviderAssistant, Source
from services.campaigns.errors import AssistantInUse, AssistantIsTemplate, AssistantNotFound
from services.campaigns.operations.idempotency import RequestKey, reserve
from services.campaigns.store import assistants, campaigns, idempotency

_NAMED_CAMPAIGNS_MAX = 10
_NAME_LENGTH_MAX = 40


class AssistantProvider(Protocol):
    async def create_assistant(
        self, *, org_id: UUID, name: str, config: dict[str, object]
    ) -> ProviderAssistant: ...

    async def get_assistant(self, provider_assistant_id: str, *, org_id: UUID) -> ProviderAssistant: ...

    async def update_assistant(
        self, provider_assistant_id: str, *, org_id: UUID, name: str | None, config: dict[str, object] | None
    ) -> ProviderAssistant: ...


class Assistants:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, provider: AssistantProvider) -> None:
        self._pool = pool
        self._provider = provider

    async def get(self, assistant_id: UUID, *, org_id: UUID) -> Assistant:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await assistants.find(conn, assistant_id)
        return _existing(found)

    async def list_after(
        self, *, org_id: UUID, after: tuple[str, UUID] | None, active: bool | None, limit: int
    ) -> list[Assistant]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await assistants.list_after(conn, after=after, active=active, limit=limit)

    async def create(
        self,
        *,
        org_id: UUID,
        name: str,
        config: Mapping[str, Any],
        ephemeral: bool,
        request: RequestKey | None,
    ) -> Assistant:
        if request is None:
            return await self._create(
                org_id=org_id, name=name, config=config, ephemeral=ephemeral, request=None
            )
        async with transaction(self._pool, org_id=org_id) as conn:
            made = await reserve(conn, request, org_id=org_id)
        if made is not None:
            return await self.get(made, org_id=org_id)
        try:
            return await self._create(
                org_id=org_id, name=name, config=config, ephemeral=ephemeral, request=request
            )
        except ServiceError:
            async with transaction(self._pool, org_id=org_id) as conn:
                await idempotency.release(conn, request.key)
            raise

    async def import_from_provider(self, provider_assistant_id: str, *, org_id: UUID, name: str) -> Assistant:
        """A repeat refreshes the entry that is there."""
        found = await self._provider.get_assistant(provider_assistant_id, org_id=org_id)
        wanted = (name or found.name or found.id)[:_NAME_LENGTH_MAX]
        async with transaction(self._pool, org_id=org_id) as conn:
            known = await assistants.find_by_provider_id(conn, found.id)
            if known is None:
                return await assistants.insert(
                    conn, found, org_id=org_id, name=wanted, source=Source.IMPORTED, ephemeral=False
                )
            if (known.name, dict(known.config)) == (wanted, dict(found.config)):
                return known
            refreshed = await assistants.update(
                conn, known.id, revision=known.revision, name=wanted, config=found.config, active=None
            )
        return _existing(refreshed)

    async def update(
        self, assistant_id: UUID, change: AssistantChange, *, org_id: UUID, etag: str
    ) -> Assistant:
        """Changes the provider's assistant first. If we cannot store the change then, the provider gets back
        what we have."""
        current = await self.get(assistant_id, org_id=org_id)
        if etag and etag != current.etag:
            raise EtagMismatch
        if current.source is Source.TEMPLATE:
            raise AssistantIsTemplate
        config = change.config
        if change.concerns_provider:
            told = await self._tell_provider(current, name=change.name, config=change.config)
            config = None if change.config is None else told.config
        try:
            async with transaction(self._pool, org_id=org_id) as conn:
                updated = await assistants.update(
                    conn,
                    assistant_id,
                    revision=current.revision,
                    name=change.name,
                    config=config,
                    active=change.active,
                )
        except ServiceError:
            await self._restore_at_provider(assistant_id, change, org_id=org_id, last_known=current)
            raise
        if updated is None:
            await self._restore_at_provider(assistant_id, change, org_id=org_id, last_known=current)
            raise EtagMismatch
        return updated

    async def delete(self, assistant_id: UUID, *, org_id: UUID) -> None:
        """From the directory only; the provider keeps its own."""
        async with transaction(self._pool, org_id=org_id) as conn:
            found = _existing(await assistants.lock(conn, assistant_id))
            if found.source is Source.TEMPLATE:
                raise AssistantIsTemplate
            users = await campaigns.names_using_assistant(conn, assistant_id, limit=_NAMED_CAMPAIGNS_MAX)
            if users:
                names = ", ".join(users)
                raise AssistantInUse(f"Campaigns use the assistant: {names}.", metadata={"campaigns": names})
            await assistants.mark_deleted(conn, assistant_id)

    async def _create(
        self,
        *,
        org_id: UUID,
        name: str,
        config: Mapping[str, Any],
        ephemeral: bool,
        request: RequestKey | None,
    ) -> Assistant:
        made = await self._provider.create_assistant(org_id=org_id, name=name, config=dict(config))
        async with transaction(self._pool, org_id=org_id) as conn:
            created = await assistants.insert(
                conn, made, org_id=org_id, name=name, source=Source.LOCAL, ephemeral=ephemeral
            )
            if request is not None:
                await idempotency.fulfill(conn, request.key, resource_id=created.id)
        return created

    async def _tell_provider(
        self, assistant: Assistant, *, name: str | None, config: Mapping[str, Any] | None
    ) -> ProviderAssistant:
        return await self._provider.update_assistant(
            assistant.provider_assistant_id,
            org_id=assistant.org_id,
            name=name,
            config=None if config is None else dict(config),
        )

    async def _restore_at_provider(
        self, assistant_id: UUID, change: AssistantChange, *, org_id: UUID, last_known: Assistant
    ) -> None:
        if not change.concerns_provider:
            return
        try:
            winner = await self.get(assistant_id, org_id=org_id)
        except ServiceError:
            winner = last_known
        await self._tell_provider(winner, name=winner.name, config=winner.config)


def _existing(found: Assistant | None) -> Assistant:
    if found is None:
        raise AssistantNotFound
    return found
