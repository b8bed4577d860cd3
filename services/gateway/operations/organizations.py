"""Organizations: created by our own services, seen by their own people."""

from uuid import UUID

from libs import outbox
from libs.pg import Pool, transaction
from services.gateway import events
from services.gateway.domain.organizations import Organization
from services.gateway.operations.pages import Page, Place, page_of
from services.gateway.store import organizations as store


async def create(worker_pool: Pool, *, name: str) -> Organization:
    """The new tenant belongs to no existing one, so this is not the request role's work."""
    async with transaction(worker_pool) as conn:
        organization = await store.insert(conn, name=name)
        await outbox.append(conn, "gateway", [events.organization_created(organization)])
    return organization


async def get(pool: Pool, id_: UUID, *, org_id: UUID | None) -> Organization:
    """`org_id` None, with the worker's pool, sees every organization."""
    async with transaction(pool, org_id=org_id) as conn:
        return await store.get(conn, id_)


async def list_(pool: Pool, *, org_id: UUID | None, after: Place | None, size: int) -> Page[Organization]:
    """`org_id` None, with the worker's pool, sees every organization."""
    async with transaction(pool, org_id=org_id) as conn:
        return await page_of(lambda limit: store.list_after(conn, after=after, limit=limit), size=size)
