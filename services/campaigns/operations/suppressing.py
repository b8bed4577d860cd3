"""Keeping our copy of who is not to be called; it counts from the next decision on."""

from uuid import UUID

from libs.pg import Connection
from services.campaigns.store import suppressions


async def suppress(conn: Connection, *, org_id: UUID, phone: str, channel: str) -> None:
    await suppressions.add(conn, org_id=org_id, phone=phone, channel=channel)


async def release(conn: Connection, *, org_id: UUID, phone: str, channel: str) -> None:
    await suppressions.remove(conn, org_id=org_id, phone=phone, channel=channel)
