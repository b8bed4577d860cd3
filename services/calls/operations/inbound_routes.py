"""Keeping an organization's inbound routes, and telling which one a call took."""

from collections.abc import Callable, Sequence
from uuid import UUID

from libs.errors import InvalidArgument
from libs.pg import Pool, transaction
from services.calls.domain.inbound_routes import GivenAnswer, InboundRoute, StoredInboundRoute, violations
from services.calls.errors import (
    CallNotFound,
    CallRouteNotFound,
    InboundRouteNotFound,
    TooManyInboundRoutes,
)
from services.calls.operations.routing import Routing
from services.calls.store import calls, inbound_answers, inbound_routes


class InboundRoutes:
    """`pool` is the request role's."""

    def __init__(self, pool: Pool, routing: Routing) -> None:
        self._pool = pool
        self._routing = routing

    async def list(
        self, org_id: UUID, *, after: tuple[int, UUID] | None, limit: int
    ) -> Sequence[StoredInboundRoute]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await inbound_routes.list_page(conn, after=after, limit=limit)

    async def get(self, org_id: UUID, route_id: UUID) -> StoredInboundRoute:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await inbound_routes.find(conn, route_id=route_id)
        if found is None:
            raise InboundRouteNotFound
        return found

    async def create(self, org_id: UUID, route: InboundRoute) -> StoredInboundRoute:
        """Raises InvalidArgument, InboundRouteNameTaken and TooManyInboundRoutes."""
        _check(route)
        async with transaction(self._pool, org_id=org_id) as conn:
            created = await inbound_routes.insert(conn, route, org_id=org_id)
        if created is None:
            raise TooManyInboundRoutes
        self._routing.forget(org_id)
        return created

    async def update(
        self, org_id: UUID, route_id: UUID, *, change: Callable[[InboundRoute], InboundRoute]
    ) -> StoredInboundRoute:
        """Raises InboundRouteNotFound, InvalidArgument and InboundRouteNameTaken."""
        async with transaction(self._pool, org_id=org_id) as conn:
            await inbound_routes.lock(conn, route_id=route_id)
            present = await inbound_routes.find(conn, route_id=route_id)
            if present is None:
                raise InboundRouteNotFound
            changed = change(present.route)
            _check(changed)
            updated = await inbound_routes.update(conn, changed, route_id=route_id)
        self._routing.forget(org_id)
        return updated

    async def delete(self, org_id: UUID, route_id: UUID) -> None:
        async with transaction(self._pool, org_id=org_id) as conn:
            deleted = await inbound_routes.delete(conn, route_id=route_id)
        if not deleted:
            raise InboundRouteNotFound
        self._routing.forget(org_id)

    async def get_of_call(self, org_id: UUID, call_id: UUID) -> GivenAnswer:
        """Raises CallNotFound and CallRouteNotFound."""
        async with transaction(self._pool, org_id=org_id) as conn:
            call = await calls.find(conn, call_id=call_id)
            if call is None:
                raise CallNotFound
            found = await inbound_answers.find(
                conn,
                org_id=org_id,
                provider=call.provider,
                provider_call_id=call.provider_call_id or "",
            )
        if found is None:
            raise CallRouteNotFound
        return found


def _check(route: InboundRoute) -> None:
    found = violations(route)
    if found:
        raise InvalidArgument(violations=found)
