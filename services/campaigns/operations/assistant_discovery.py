"""The directory held against what the provider has: drift of one assistant, and all that there are."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.errors import Kind, ServiceError
from libs.pg import Pool, transaction
from services.campaigns.domain import drift
from services.campaigns.domain.assistants import Assistant, ProviderAssistant, Source
from services.campaigns.domain.drift import Difference
from services.campaigns.errors import AssistantIsTemplate
from services.campaigns.operations.assistants import AssistantProvider, existing, imported_name
from services.campaigns.store import assistants


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    assistant_id: UUID
    differences: list[Difference]
    gone: bool = False
    provider_updated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """`entry` is the directory's, if it has one by now."""

    found: ProviderAssistant
    entry: Assistant | None
    imported: bool

    @property
    def drifted(self) -> bool:
        return self.entry is not None and bool(
            drift.differences(
                last_written=self.entry.last_written,
                directory=self.entry.content,
                provider=self.found.content,
            )
        )


@dataclass(frozen=True, slots=True)
class DiscoveredPage:
    assistants: list[Discovered]
    next_page_token: str


class AssistantDiscovery:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, provider: AssistantProvider) -> None:
        self._pool = pool
        self._provider = provider

    async def check_drift(self, assistant_id: UUID, *, org_id: UUID) -> Drift:
        async with transaction(self._pool, org_id=org_id) as conn:
            known = existing(await assistants.find(conn, assistant_id))
        if known.source is Source.TEMPLATE:
            raise AssistantIsTemplate("The provider does not have templates, only clones of them.")
        try:
            found = await self._provider.get_assistant(known.provider_assistant_id, org_id=org_id)
        except ServiceError as exc:
            if exc.kind is not Kind.MISSING:
                raise
            return Drift(assistant_id=assistant_id, differences=[], gone=True)
        return Drift(
            assistant_id=assistant_id,
            differences=drift.differences(
                last_written=known.last_written, directory=known.content, provider=found.content
            ),
            provider_updated_at=found.updated_at,
        )

    async def discover(
        self, *, org_id: UUID, page_size: int, page_token: str, import_new: bool, only: Collection[str]
    ) -> DiscoveredPage:
        """A page of what the provider has. With `import_new` those that the directory lacks are taken in, of
        `only` if it names any."""
        listed, next_page_token = await self._provider.list_assistants(
            org_id=org_id, page_size=page_size, page_token=page_token
        )
        async with transaction(self._pool, org_id=org_id) as conn:
            known = await assistants.list_by_provider_ids(conn, [one.id for one in listed])
            new = [one for one in listed if one.id not in known and (not only or one.id in only)]
            imported = {
                one.id: await assistants.insert(
                    conn, one, org_id=org_id, name=imported_name(one), source=Source.IMPORTED, ephemeral=False
                )
                for one in (new if import_new else [])
            }
        entries = {**known, **imported}
        return DiscoveredPage(
            [Discovered(found=one, entry=entries.get(one.id), imported=one.id in imported) for one in listed],
            next_page_token,
        )
