"""Who is not to be contacted."""

from datetime import datetime
from uuid import UUID

from libs.pg import Connection, Pool, transaction
from services.notify import events
from services.notify.domain.suppressions import Channel, Source, Suppression
from services.notify.errors import SuppressionNotFound
from services.notify.operations.publishing import publish
from services.notify.store import suppressions


async def create_suppression(pool: Pool, *, org_id: UUID, phone_number: str, channel: Channel) -> Suppression:
    """Counts from the commit on, for queued work too. A repeat returns the one that exists."""
    async with transaction(pool, org_id=org_id) as conn:
        await suppress(conn, org_id=org_id, phone_number=phone_number, channel=channel, source=Source.API)
        found = await suppressions.find(conn, org_id=org_id, phone_number=phone_number, channel=channel)
    if found is None:
        raise SuppressionNotFound
    return found


async def suppress(
    conn: Connection, *, org_id: UUID, phone_number: str, channel: Channel, source: Source
) -> None:
    """Within the caller's transaction; says so to the other services if it is new."""
    created = await suppressions.insert(
        conn, org_id=org_id, phone_number=phone_number, channel=channel, source=source
    )
    if created is not None:
        await publish(conn, [events.suppression_created(created)])


async def lift_own(conn: Connection, *, org_id: UUID, phone_number: str) -> None:
    """What the person asked for by text, the person can take back by text."""
    deleted = await suppressions.delete_own(conn, org_id=org_id, phone_number=phone_number)
    await publish(conn, [events.suppression_deleted(suppression) for suppression in deleted])


async def list_suppressions(
    pool: Pool, *, org_id: UUID, phone_number: str, before: tuple[datetime, UUID] | None, limit: int
) -> list[Suppression]:
    async with transaction(pool, org_id=org_id) as conn:
        return await suppressions.list_page(conn, phone_number=phone_number, before=before, limit=limit)


async def delete_suppression(pool: Pool, *, org_id: UUID, suppression_id: UUID) -> None:
    async with transaction(pool, org_id=org_id) as conn:
        deleted = await suppressions.delete(conn, suppression_id=suppression_id)
        if deleted is None:
            raise SuppressionNotFound
        await publish(conn, [events.suppression_deleted(deleted)])
