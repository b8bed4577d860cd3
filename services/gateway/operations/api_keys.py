"""API keys of an organization."""

import secrets
from collections.abc import Callable, Collection
from uuid import UUID

from libs.pg import Pool, transaction
from services.gateway.domain import api_keys
from services.gateway.domain.api_keys import ApiKey, ApiKeyChange, NewApiKey
from services.gateway.errors import ScopeNotHeld
from services.gateway.operations.pages import Page, Place, page_of
from services.gateway.store import api_keys as store
from services.gateway.store import changes


async def create(
    pool: Pool, new: NewApiKey, *, org_id: UUID, may: Callable[[str], bool]
) -> tuple[ApiKey, str]:
    """Answers the key itself too, which nobody can read again. Here and below, `may` says whether the caller
    holds a scope."""
    _check_holds(new.scopes, may)
    key = api_keys.generate(secrets.choice)
    async with transaction(pool, org_id=org_id) as conn:
        stored = await store.insert(
            conn, new, org_id=org_id, prefix=api_keys.shown_prefix(key), digest=api_keys.digest(key)
        )
        await changes.announce(conn)
    return stored, key


async def get(pool: Pool, id_: UUID, *, org_id: UUID) -> ApiKey:
    async with transaction(pool, org_id=org_id) as conn:
        return await store.get(conn, id_)


async def list_(pool: Pool, *, org_id: UUID, after: Place | None, size: int) -> Page[ApiKey]:
    async with transaction(pool, org_id=org_id) as conn:
        return await page_of(lambda limit: store.list_after(conn, after=after, limit=limit), size=size)


async def update(
    pool: Pool, id_: UUID, change: ApiKeyChange, *, org_id: UUID, may: Callable[[str], bool]
) -> ApiKey:
    async with transaction(pool, org_id=org_id) as conn:
        _check_holds((await store.get(conn, id_)).scopes, may)
        changed = await store.update(conn, id_, change)
        await changes.announce(conn)
    return changed


async def delete(pool: Pool, id_: UUID, *, org_id: UUID, may: Callable[[str], bool]) -> None:
    async with transaction(pool, org_id=org_id) as conn:
        _check_holds((await store.get(conn, id_)).scopes, may)
        await store.delete(conn, id_)
        await changes.announce(conn)


def _check_holds(scopes: Collection[str], may: Callable[[str], bool]) -> None:
    """Nobody makes, changes or revokes a key that can do more than they can."""
    missing = sorted(scope for scope in scopes if not may(scope))
    if missing:
        raise ScopeNotHeld(metadata={"required_scope": missing[0]})
