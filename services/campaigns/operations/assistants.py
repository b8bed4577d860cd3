"""The directory of assistants: looked at, added to, deleted from. The provider comes first, our record after;
no transaction is open meanwhile. Changes of content are the business of `assistant_writing`."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from uuid import UUID

from libs.errors import ServiceError
from libs.pg import LostRace, Pool, transaction
from services.campaigns.domain import assistant_config, drift
from services.campaigns.domain.assistants import (
    NAME_LENGTH_MAX,
    Assistant,
    AssistantChange,
    AssistantVersion,
    Content,
    ProviderAssistant,
    Source,
)
from services.campaigns.domain.templates import TEMPLATES
from services.campaigns.errors import (
    AssistantBeingChanged,
    AssistantConfigInvalid,
    AssistantInUse,
    AssistantIsTemplate,
    AssistantNotFound,
)
from services.campaigns.operations.idempotency import RequestKey, reserve
from services.campaigns.store import (
    assistant_versions,
    assistant_writes,
    assistants,
    campaigns,
    idempotency,
    settings,
)

# Longer than any write to the provider takes; one that is older belongs to a process that died.
WRITE_SECONDS_MAX = 60.0
_NAMED_CAMPAIGNS_MAX = 10
_NAMES_LENGTH_MAX = 150
_EXPORT_ROWS = 20
_SEEDED_MAX = 10_000


class AssistantProvider(Protocol):
    async def create_assistant(
        self, *, org_id: UUID, name: str, config: dict[str, object]
    ) -> ProviderAssistant: ...

    async def get_assistant(self, provider_assistant_id: str, *, org_id: UUID) -> ProviderAssistant: ...

    async def update_assistant(
        self, provider_assistant_id: str, *, org_id: UUID, name: str | None, config: dict[str, object] | None
    ) -> ProviderAssistant: ...

    async def list_assistants(
        self, *, org_id: UUID, page_size: int, page_token: str
    ) -> tuple[list[ProviderAssistant], str]:
        """A page, and the token of the next one, empty after the last."""


class Assistants:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, provider: AssistantProvider) -> None:
        self._pool = pool
        self._provider = provider
        # Organizations that are known to have the templates.
        self._seeded: set[UUID] = set()

    async def get(self, assistant_id: UUID, *, org_id: UUID) -> Assistant:
        async with transaction(self._pool, org_id=org_id) as conn:
            return existing(await assistants.find(conn, assistant_id))

    async def list_after(
        self,
        *,
        org_id: UUID,
        after: tuple[str, UUID] | None,
        limit: int,
        active: bool | None = None,
        source: Source | None = None,
    ) -> list[Assistant]:
        await self._seed(org_id)
        async with transaction(self._pool, org_id=org_id) as conn:
            return await assistants.list_after(conn, after=after, active=active, source=source, limit=limit)

    async def list_versions(
        self, assistant_id: UUID, *, org_id: UUID, before: int | None, limit: int
    ) -> list[AssistantVersion]:
        """Newest first."""
        async with transaction(self._pool, org_id=org_id) as conn:
            existing(await assistants.find(conn, assistant_id))
            return await assistant_versions.list_before(conn, assistant_id, before=before, limit=limit)

    async def export(self, *, org_id: UUID) -> AsyncIterator[list[Assistant]]:
        """The whole directory in pieces; each is read in a transaction of its own. Raises FeatureOff."""
        async with transaction(self._pool, org_id=org_id) as conn:
            (await settings.find(conn, org_id=org_id)).check_export()
        after = None
        while page := await self.list_after(org_id=org_id, after=after, limit=_EXPORT_ROWS):
            yield page
            after = (page[-1].name, page[-1].id)

    async def create(
        self, content: Content, *, org_id: UUID, ephemeral: bool, request: RequestKey | None
    ) -> Assistant:
        check_config(content.config)
        return await self._create_once(content, org_id=org_id, ephemeral=ephemeral, request=request)

    async def clone(
        self,
        assistant_id: UUID,
        change: AssistantChange,
        *,
        org_id: UUID,
        ephemeral: bool,
        request: RequestKey | None,
    ) -> Assistant:
        """A new assistant with the content of another one, as changed."""
        check_config(change.config or {})
        original = await self.get(assistant_id, org_id=org_id)
        content = change.content(original.content)
        return await self._create_once(content, org_id=org_id, ephemeral=ephemeral, request=request)

    async def import_from_provider(self, provider_assistant_id: str, *, org_id: UUID, name: str) -> Assistant:
        """A repeat refreshes the entry that is there. What was read may be older than it: raises LostRace if
        it was changed meanwhile, AssistantBeingChanged while a change is on its way to the provider."""
        async with transaction(self._pool, org_id=org_id) as conn:
            before = await assistants.find_by_provider_id(conn, provider_assistant_id)
        found = await self._provider.get_assistant(provider_assistant_id, org_id=org_id)
        async with transaction(self._pool, org_id=org_id) as conn:
            known = await assistants.find_by_provider_id(conn, found.id)
            if _revision(known) != _revision(before):
                raise LostRace
            if known is None:
                name = imported_name(found, name)
                return await assistants.insert(
                    conn, found, org_id=org_id, name=name, source=Source.IMPORTED, ephemeral=False
                )
            if await assistant_writes.is_under_way(conn, known.id, within_seconds=WRITE_SECONDS_MAX):
                raise AssistantBeingChanged
            content = Content(imported_name(found, name or _own_name(known)), found.config)
            if _is_as(known, content, at_provider=found.content):
                return known
            refreshed = await assistants.update(
                conn,
                known.id,
                content,
                revision=known.revision,
                at_provider=found.content,
                active=True if known.inactive_reason else None,
            )
        if refreshed is None:
            raise LostRace
        return refreshed

    async def delete(self, assistant_id: UUID, *, org_id: UUID) -> None:
        """From the directory only; the provider keeps its own."""
        async with transaction(self._pool, org_id=org_id) as conn:
            found = existing(await assistants.lock(conn, assistant_id))
            if found.source is Source.TEMPLATE:
                raise AssistantIsTemplate
            users = await campaigns.names_using_assistant(conn, assistant_id, limit=_NAMED_CAMPAIGNS_MAX)
            if users:
                names = ", ".join(users)
                raise AssistantInUse(
                    f"Campaigns use the assistant: {names[:_NAMES_LENGTH_MAX]}. It can be deleted 24 hours "
                    "after the last of them has completed, or at once if they are canceled or deleted.",
                    metadata={"campaigns": names},
                )
            await assistants.mark_deleted(conn, assistant_id)

    async def _create_once(
        self, content: Content, *, org_id: UUID, ephemeral: bool, request: RequestKey | None
    ) -> Assistant:
        if request is None:
            return await self._create(content, org_id=org_id, ephemeral=ephemeral, request=None)
        async with transaction(self._pool, org_id=org_id) as conn:
            made = await reserve(conn, request, org_id=org_id)
        if made is not None:
            return await self.get(made, org_id=org_id)
        try:
            return await self._create(content, org_id=org_id, ephemeral=ephemeral, request=request)
        except ServiceError:
            async with transaction(self._pool, org_id=org_id) as conn:
                await idempotency.release(conn, request.key)
            raise

    async def _create(
        self, content: Content, *, org_id: UUID, ephemeral: bool, request: RequestKey | None
    ) -> Assistant:
        made = await self._provider.create_assistant(
            org_id=org_id, name=content.name, config=dict(content.config)
        )
        async with transaction(self._pool, org_id=org_id) as conn:
            created = await assistants.insert(
                conn, made, org_id=org_id, name=content.name, source=Source.LOCAL, ephemeral=ephemeral
            )
            if request is not None:
                await idempotency.fulfill(conn, request.key, resource_id=created.id)
        return created

    async def _seed(self, org_id: UUID) -> None:
        if org_id in self._seeded:
            return
        async with transaction(self._pool, org_id=org_id) as conn:
            await assistants.insert_templates(conn, TEMPLATES, org_id=org_id)
        if len(self._seeded) >= _SEEDED_MAX:
            self._seeded.clear()
        self._seeded.add(org_id)


def existing(found: Assistant | None) -> Assistant:
    if found is None:
        raise AssistantNotFound
    return found


def check_config(config: Mapping[str, Any]) -> None:
    """Raises AssistantConfigInvalid with everything that is wrong."""
    violations = assistant_config.violations(config)
    if violations:
        raise AssistantConfigInvalid(violations=violations)


def imported_name(found: ProviderAssistant, wanted: str = "") -> str:
    return (wanted or found.name or found.id)[:NAME_LENGTH_MAX]


def _revision(known: Assistant | None) -> int | None:
    return known.revision if known else None


def _own_name(known: Assistant) -> str:
    """What only the directory calls it; empty if it goes by the provider's name."""
    return "" if known.name == known.last_written.name else known.name


def _is_as(known: Assistant, content: Content, *, at_provider: Content) -> bool:
    return known.content == content and drift.same(known.last_written, at_provider) and known.active
