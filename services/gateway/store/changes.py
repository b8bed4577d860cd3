"""Tells every gateway process to look again at what it keeps in memory."""

from typing import Final

from libs.pg import Connection

CHANNEL: Final = "gateway_changes"


async def announce(conn: Connection) -> None:
    """Takes effect at the commit."""
    await conn.execute("SELECT pg_notify($1, '')", CHANNEL)
