"""What campaigns did with the assistants of the directory."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from libs.pg import Pool, transaction
from services.campaigns.domain.assistants import Assistant
from services.campaigns.domain.figures import COST
from services.campaigns.domain.usage import Usage
from services.campaigns.operations.assistants import existing
from services.campaigns.store import assistant_usage, assistants, settings


class AssistantUsage:
    """`pool` is the request role's. Costs are left out if the organization does not want to see any."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def get(self, assistant_id: UUID, *, org_id: UUID) -> Usage:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = existing(await assistants.find(conn, assistant_id))
        [usage] = await self._of([found], org_id=org_id)
        return usage

    async def list_after(self, *, org_id: UUID, after: tuple[str, UUID] | None, limit: int) -> list[Usage]:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await assistants.list_after(conn, after=after, active=None, source=None, limit=limit)
        return await self._of(found, org_id=org_id)

    async def _of(self, found: Sequence[Assistant], *, org_id: UUID) -> list[Usage]:
        async with transaction(self._pool, org_id=org_id) as conn:
            versions = await assistant_usage.read(conn, [one.id for one in found])
            allowed = await settings.find(conn, org_id=org_id)
        usage = [Usage(one, versions[one.id]) for one in found]
        return usage if allowed.cost_tracking else [_without_costs(one) for one in usage]


def _without_costs(usage: Usage) -> Usage:
    versions = [
        replace(one, told={name: figure for name, figure in one.told.items() if name != COST})
        for one in usage.versions
    ]
    return Usage(usage.assistant, versions)
