"""Sources of an organization's webhooks, and the directory that webhooks are looked up in."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Pool, transaction
from libs.vault import SecretUnreadable, Vault
from services.gateway.domain import sources
from services.gateway.domain.signatures import (
    Scheme,
    SignatureSettings,
    is_payload_format,
    key_of,
)
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
_HMACS: Final = frozenset({Scheme.HMAC_BODY, Scheme.HMAC_TIMESTAMP})


async def create(
    pool: Pool, vault: Vault, new: NewSource, *, org_id: UUID, secret: str
) -> tuple[Source, str]:
    """Answers the secret too, which nobody can read again. An empty one is made up, except for Twilio, which
    signs with its account's own."""
    _check(_violations(new) + _violations_of_secret(secret, provider=new.provider, settings=new.settings))
    chosen = secret or _made_up(new.settings)
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


async def rotate(
    pool: Pool, vault: Vault, id_: UUID, *, org_id: UUID, secret: str, overlap: timedelta
) -> tuple[Source, str]:
    """The source with its new secret, which nobody can read again. The one before stays good for `overlap`;
    one that was left of an earlier rotation ends."""
    async with transaction(pool, org_id=org_id) as conn:
        found = await store.get(conn, id_)
        _check(_violations_of_secret(secret, provider=found.provider, settings=found.settings))
        chosen = secret or _made_up(found.settings)
        sealed = vault.seal(chosen.encode(), place=_place(org_id, found.name))
        source = await store.rotate(conn, id_, sealed_secret=sealed, overlap=overlap)
        await changes.announce(conn)
    return source, chosen


async def update(pool: Pool, id_: UUID, *, org_id: UUID, default_assistant_id: str | None) -> Source:
    """What is None stays."""
    async with transaction(pool, org_id=org_id) as conn:
        source = await store.update(conn, id_, default_assistant_id=default_assistant_id)
        await changes.announce(conn)
    return source


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

    def known(self, name: str, *, provider: str) -> OpenSource | None:
        """The same if it was asked for a moment ago; None says nothing."""
        found = self._cache.known(name)
        return found if found is not None and found.source.provider == provider else None

    def clear(self) -> None:
        self._cache.clear()

    async def _load(self, name: str) -> OpenSource | None:
        async with transaction(self._pool) as conn:
            found = await store.find_with_secrets(conn, name)
        if found is None:
            return None
        source, sealed, previous = found
        place = _place(source.org_id, source.name)
        return OpenSource(
            source=source,
            secret=self._vault.open(sealed, place=place),
            previous_secret=self._opened_if_possible(previous, place=place) if previous else b"",
        )

    def _opened_if_possible(self, sealed: bytes, *, place: str) -> bytes:
        """A source whose secret was replaced because the encryption key was lost is good all the same."""
        try:
            return self._vault.open(sealed, place=place)
        except SecretUnreadable:
            return b""


def _place(org_id: UUID, name: str) -> str:
    return f"gateway.sources {org_id} {name}"


def _made_up(settings: SignatureSettings) -> str:
    if settings.secret_encoding:
        return base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    return secrets.token_urlsafe(_SECRET_BYTES)


def _check(violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise InvalidArgument(violations=violations)


def _violations(new: NewSource) -> list[FieldViolation]:
    found = []
    if new.provider == sources.TWILIO and set(new.schemes) != {Scheme.TWILIO}:
        found.append(FieldViolation("schemes", "must be TWILIO alone for provider twilio"))
    if new.provider != sources.TWILIO and Scheme.TWILIO in new.schemes:
        found.append(FieldViolation("schemes", "TWILIO is for provider twilio only"))
    payload, hmacs = new.settings.payload_format, _HMACS & set(new.schemes)
    if payload and len(hmacs) != 1:
        found.append(FieldViolation("schemes", "must have one of HMAC_BODY and HMAC_TIMESTAMP"))
    elif payload and not is_payload_format(payload, timestamped=Scheme.HMAC_TIMESTAMP in hmacs):
        sentence = "must have {body} once, {timestamp} with HMAC_TIMESTAMP alone, and maybe {svix-id}"
        found.append(FieldViolation("signature.payload_format", sentence))
    return found


def _violations_of_secret(secret: str, *, provider: str, settings: SignatureSettings) -> list[FieldViolation]:
    if provider == sources.TWILIO and not secret:
        return [FieldViolation("secret", "must be the auth token of the Twilio account")]
    if secret and not key_of(secret.encode(), encoding=settings.secret_encoding):
        return [FieldViolation("secret", "must be base64, as signature.secret_encoding says")]
    return []
