"""Routes of calls that come in. Of the organization of the transaction."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.calls.domain.inbound_routes import InboundRoute, StoredInboundRoute, Window
from services.calls.errors import InboundRouteNameTaken

ROUTES_MAX: Final = 500


async def list_active(conn: Connection, *, org_id: UUID) -> list[StoredInboundRoute]:
    """In the order in which they are tried."""
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, called_numbers, caller_prefixes, caller_known, days, opens_minute,
               closes_minute, zone, provider_assistant_id, transfer_to, error_message, updated_at
          FROM calls.inbound_routes
         WHERE org_id = $1 AND active
         ORDER BY position, id
         LIMIT $2
        """,
        org_id,
        ROUTES_MAX,
    )
    return [_stored(row) for row in rows]


async def list_page(
    conn: Connection, *, after: tuple[int, UUID] | None, limit: int
) -> list[StoredInboundRoute]:
    position, route_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT id, name, position, active, called_numbers, caller_prefixes, caller_known, days, opens_minute,
               closes_minute, zone, provider_assistant_id, transfer_to, error_message, updated_at
          FROM calls.inbound_routes
         WHERE $1::integer IS NULL OR (position, id) > ($1, $2::uuid)
         ORDER BY position, id
         LIMIT $3
        """,
        position,
        route_id,
        limit,
    )
    return [_stored(row) for row in rows]


async def find(conn: Connection, *, route_id: UUID) -> StoredInboundRoute | None:
    row = await conn.fetchrow(
        """
        SELECT id, name, position, active, called_numbers, caller_prefixes, caller_known, days, opens_minute,
               closes_minute, zone, provider_assistant_id, transfer_to, error_message, updated_at
          FROM calls.inbound_routes
         WHERE id = $1
        """,
        route_id,
    )
    return _stored(row) if row else None


async def lock(conn: Connection, *, route_id: UUID) -> bool:
    """Keeps two changes of one route apart."""
    return bool(
        await conn.fetchval("SELECT true FROM calls.inbound_routes WHERE id = $1 FOR UPDATE", route_id)
    )


async def insert(conn: Connection, route: InboundRoute, *, org_id: UUID) -> StoredInboundRoute | None:
    """None if the organization has as many as it can."""
    with _name_taken():
        row = await conn.fetchrow(
            """
            INSERT INTO calls.inbound_routes (
                   org_id, name, position, active, called_numbers, caller_prefixes, caller_known, days,
                   opens_minute, closes_minute, zone, provider_assistant_id, transfer_to, error_message)
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
             WHERE (SELECT count(*) FROM calls.inbound_routes WHERE org_id = $1) < $15
            RETURNING id, name, position, active, called_numbers, caller_prefixes, caller_known, days,
                      opens_minute, closes_minute, zone, provider_assistant_id, transfer_to, error_message,
                      updated_at
            """,
            org_id,
            *_values(route),
            ROUTES_MAX,
        )
    return _stored(row) if row else None


async def update(conn: Connection, route: InboundRoute, *, route_id: UUID) -> StoredInboundRoute:
    """The row has to be locked."""
    with _name_taken():
        [row] = await conn.fetch(
            """
            UPDATE calls.inbound_routes
               SET name = $2, position = $3, active = $4, called_numbers = $5, caller_prefixes = $6,
                   caller_known = $7, days = $8, opens_minute = $9, closes_minute = $10, zone = $11,
                   provider_assistant_id = $12, transfer_to = $13, error_message = $14, updated_at = now()
             WHERE id = $1
            RETURNING id, name, position, active, called_numbers, caller_prefixes, caller_known, days,
                      opens_minute, closes_minute, zone, provider_assistant_id, transfer_to, error_message,
                      updated_at
            """,
            route_id,
            *_values(route),
        )
    return _stored(row)


async def delete(conn: Connection, *, route_id: UUID) -> bool:
    status: str = await conn.execute("DELETE FROM calls.inbound_routes WHERE id = $1", route_id)
    return status == "DELETE 1"


@contextmanager
def _name_taken() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "inbound_routes_name_unique":
            raise
        raise InboundRouteNameTaken from None


def _values(route: InboundRoute) -> tuple[object, ...]:
    """In the order of the columns."""
    return (
        route.name,
        route.position,
        route.active,
        list(route.called_numbers),
        list(route.caller_prefixes),
        route.caller_known,
        list(route.days),
        route.window.opens_minute if route.window else None,
        route.window.closes_minute if route.window else None,
        route.zone,
        route.provider_assistant_id,
        route.transfer_to,
        route.error_message,
    )


def _stored(row: Mapping[str, Any]) -> StoredInboundRoute:
    window = None
    if row["opens_minute"] is not None:
        window = Window(opens_minute=row["opens_minute"], closes_minute=row["closes_minute"])
    route = InboundRoute(
        name=row["name"],
        position=row["position"],
        active=row["active"],
        called_numbers=tuple(row["called_numbers"]),
        caller_prefixes=tuple(row["caller_prefixes"]),
        caller_known=row["caller_known"],
        days=tuple(row["days"]),
        window=window,
        zone=row["zone"],
        provider_assistant_id=row["provider_assistant_id"],
        transfer_to=row["transfer_to"],
        error_message=row["error_message"],
    )
    return StoredInboundRoute(id=row["id"], route=route, updated_at=row["updated_at"])
