"""Sources of an organization's webhooks, and the directory that webhooks are looked up in."""

import secrets
from typing import Final
from uuid import UUID

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Pool, transaction
from libs.vault import Vault
from services.gateway.domain import sources
from services.gateway.domain.signatures import Scheme
from services.gateway.domain.sources import NewSource, OpenSource, Source
from services.gateway.errors import SourceNotFound
from services.gateway.operations.cache import Cache
from services.gateway.operations.pages import Page, Place, page_of
from services.gateway.store import changes
from services.gateway.store import sources as store

_SECRET_BYTES: Final = 32
_TTL_SECONDS: Final = 30.0
# A source that was good goes on being good while the database is away: its webhooks are stored elsewhere.
_STALE_SECONDS: Final = 600.0
_DIRECTORY_SIZE_MAX: Final = 10_000


async def create(
    pool: Pool, vault: Vault, new: NewSource, *, org_id: UUID, secret: str
) -> tuple[Source, str]:
    """Answers the secret too, which nobody can read again. An empty one is made up, except for Twilio, which
    signs with its account's own."""
    _check_schemes(new, secret=secret)
    chosen = secret or secrets.token_urlsafe(_SECRET_BYTES)
    async with transaction(pool, org_id=org_id) as conn:
        sealed = vault.seal(chosen.encode(), place=_place(org_id, new.name))
        source = await store.insert(conn, new, org_id=org_id, sealed_secret=sealed)
        await changes.announce(conn)
    return source, chosen


async def get(pool: Pool, id_: UUID, *, org_id: UUID) -> Source:
    async with transaction(pool, org_id=org_id) as conn:
        return await store.get(conn, id_)


async def list_(pool: Pool, *, org_id: UUID, after: Place | None, size: int) -> Page[Source]:
    async with transaction(pool, org_id=org_id) as conn:
        return await page_of(lambda limit: store.list_after(conn, after=after, limit=limit), size=size)


async def delete(pool: Pool, id_: UUID, *, org_id: UUID) -> None:
    async with transaction(pool, org_id=org_id) as conn:
        await store.delete(conn, id_)
        await changes.announce(conn)


class Directory:
    """The sources by name, for webhooks: nobody is signed in yet, so this looks with the worker role."""

    def __init__(self, worker_pool: Pool, vault: Vault) -> None:
        self._pool = worker_pool
        self._vault = vault
        self._cache: Cache[str, OpenSource] = Cache(
            self._load, ttl_seconds=_TTL_SECONDS, stale_seconds=_STALE_SECONDS, size_max=_DIRECTORY_SIZE_MAX
        )

    async def find(self, name: str, *, provider: str) -> OpenSource:
        """Raises SourceNotFound, also if the source is another provider's."""
        found = await self._cache.get(name) if sources.is_name(name) else None
        if found is None or found.source.provider != provider:
            raise SourceNotFound
        return found

    def clear(self) -> None:
        self._cache.clear()

    async def _load(self, name: str) -> OpenSource | None:
        async with transaction(self._pool) as conn:
            found = await store.find_with_secret(conn, name)
        if found is None:
            return None
        source, sealed = found
        return OpenSource(
            source=source, secret=self._vault.open(sealed, place=_place(source.org_id, source.name))
        )


def _place(org_id: UUID, name: str) -> str:
    return f"gateway.sources {org_id} {name}"


def _check_schemes(new: NewSource, *, secret: str) -> None:
    violations = []
    twilio_schemes = set(new.schemes) == {Scheme.TWILIO}
    if new.provider == sources.TWILIO and not twilio_schemes:
        violations.append(FieldViolation("schemes", "must be TWILIO alone for provider twilio"))
    if new.provider != sources.TWILIO and Scheme.TWILIO in new.schemes:
        violations.append(FieldViolation("schemes", "TWILIO is for provider twilio only"))
    if new.provider == sources.TWILIO and not secret:
        violations.append(FieldViolation("secret", "must be the auth token of the Twilio account"))
    if violations:
        raise InvalidArgument(violations=violations)
