"""Provider accounts: what an organization has at the voice provider, how it is reached, and how many calls at
a time that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Connection, LostRace, Pool, transaction
from services.calls.domain.accounts import (
    DEFAULT_ACCOUNT_NAME,
    LINES_DEFAULT,
    AccessChange,
    AccountLink,
    ProviderAccount,
    StoredAccess,
    plan_lines,
)
from services.calls.domain.assistants import ProviderPhoneNumber
from services.calls.errors import CredentialsUnsupported, ProviderAccountNotFound
from services.calls.operations.account_access import AccountAccess
from services.calls.operations.pacing import limit_rate, with_rate
from services.calls.store import accounts, lines

PROVIDER = "vapi"
_NO_CHANGE = AccessChange()


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Access ready to be stored over what had this version. `numbers` are None where they stay."""

    stored: StoredAccess
    version: int
    numbers: Sequence[ProviderPhoneNumber] | None


class Accounts:
    """Without `access` no account can have credentials of its own."""

    def __init__(
        self, pool: Pool, *, access: AccountAccess | None = None, lines_default: int = LINES_DEFAULT
    ) -> None:
        self._pool = pool
        self._access = access
        self._lines_default = lines_default

    async def create(
        self,
        *,
        org_id: UUID,
        name: str,
        provider: str,
        line_count: int,
        inbound_reserve: int,
        access: AccessChange = _NO_CHANGE,
        source_id: UUID | None = None,
        skip_check: bool = False,
        calls_per_second_max: float | None = None,
    ) -> ProviderAccount:
        """Raises ProviderAccountNameTaken, and for access of its own what `AccountAccess` raises."""
        line_count = line_count or self._lines_default
        _check_reserve(line_count=line_count, inbound_reserve=inbound_reserve)
        account_id = uuid4()
        link = AccountLink(account_id=account_id, org_id=org_id)
        prepared = await self._prepare(access, link, skip_check=skip_check)
        async with transaction(self._pool, org_id=org_id) as conn:
            await accounts.insert_account(
                conn,
                org_id=org_id,
                account_id=account_id,
                name=name,
                provider=provider,
                lines=line_count,
                inbound_reserve=inbound_reserve,
                source_id=source_id,
            )
            await _lay_out(
                conn, org_id=org_id, account_id=account_id, line_count=line_count, reserve=inbound_reserve
            )
            await _save_access(conn, prepared, org_id=org_id, account_id=account_id)
            await limit_rate(conn, account_id, calls_per_second_max, org_id=org_id)
            created = await _get(conn, account_id)
        self._forget(account_id, org_id=org_id)
        return created

    async def get(self, *, org_id: UUID, account_id: UUID) -> ProviderAccount:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await _get(conn, account_id)

    async def list(
        self, *, org_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[ProviderAccount]:
        async with transaction(self._pool, org_id=org_id) as conn:
            found = await accounts.list_accounts(conn, after=after, limit=limit)
            return [await with_rate(conn, one) for one in found]

    async def update(
        self,
        *,
        org_id: UUID,
        account_id: UUID,
        line_count: int | None = None,
        inbound_reserve: int | None = None,
        active: bool | None = None,
        access: AccessChange = _NO_CHANGE,
        source_id: str | None = None,
        skip_check: bool = False,
        calls_per_second_max: float | None = None,
    ) -> ProviderAccount:
        """What is None stays; an empty `source_id` takes the source away, 0 calls per second the limit. Fewer
        lines than are in use: no new call until enough of them have ended. Raises what `create` does, and
        LostRace if somebody else changed the access meanwhile."""
        link = await self._find_link(account_id, org_id=org_id)
        prepared = await self._prepare(access, link, skip_check=skip_check)
        async with transaction(self._pool, org_id=org_id) as conn:
            if not await accounts.lock_account(conn, account_id=account_id):
                raise ProviderAccountNotFound
            present = await _get(conn, account_id)
            line_count = present.lines if line_count is None else line_count
            reserve = present.inbound_reserve if inbound_reserve is None else inbound_reserve
            _check_reserve(line_count=line_count, inbound_reserve=reserve)
            await accounts.update_account(
                conn,
                account_id=account_id,
                lines=line_count,
                inbound_reserve=reserve,
                active=present.active if active is None else active,
                source_id=_source(source_id, present=present.source_id),
            )
            await _lay_out(conn, org_id=org_id, account_id=account_id, line_count=line_count, reserve=reserve)
            await _save_access(conn, prepared, org_id=org_id, account_id=account_id)
            await limit_rate(conn, account_id, calls_per_second_max, org_id=org_id)
            updated = await _get(conn, account_id)
        self._forget(account_id, org_id=org_id)
        return updated

    async def check(self, *, org_id: UUID, account_id: UUID) -> ProviderAccount:
        """Tries the stored access and learns the phone numbers anew. Numbers of the deployment's own account
        are nobody's in particular and not kept."""
        link = await self._find_link(account_id, org_id=org_id)
        if self._access is None:
            raise CredentialsUnsupported
        numbers = await self._access.check(account_id, org_id=org_id)
        async with transaction(self._pool, org_id=org_id) as conn:
            if link.credentials is not None:
                await accounts.replace_phone_numbers(conn, numbers, org_id=org_id, account_id=account_id)
            return await _get(conn, account_id)

    async def ensure(self, *, org_id: UUID) -> None:
        """An organization that never created an account gets one, with the process's own number of lines."""
        async with transaction(self._pool, org_id=org_id) as conn:
            account_id = await accounts.insert_first_account(
                conn, org_id=org_id, name=DEFAULT_ACCOUNT_NAME, provider=PROVIDER, lines=self._lines_default
            )
            if account_id is not None:
                await _lay_out(
                    conn, org_id=org_id, account_id=account_id, line_count=self._lines_default, reserve=0
                )

    async def _find_link(self, account_id: UUID, *, org_id: UUID) -> AccountLink:
        async with transaction(self._pool, org_id=org_id) as conn:
            link = await accounts.find_link(conn, org_id=org_id, account_id=account_id)
        if link is None:
            raise ProviderAccountNotFound
        return link

    async def _prepare(
        self, change: AccessChange, link: AccountLink, *, skip_check: bool
    ) -> _Prepared | None:
        """Outside of any transaction: the provider may take its time."""
        if change.empty:
            return None
        if self._access is None:
            raise CredentialsUnsupported
        access = self._access.changed(change, link=link)
        other_key = change.api_key is not None
        asks = (other_key or change.base_url is not None) and not skip_check
        numbers = await self._access.try_out(access) if asks else [] if other_key else None
        stored = self._access.sealed(
            access, org_id=link.org_id, account_id=link.account_id, api_key_changed=other_key
        )
        return _Prepared(stored, link.version, numbers)

    def _forget(self, account_id: UUID, *, org_id: UUID) -> None:
        if self._access is not None:
            self._access.forget(account_id, org_id=org_id)


async def _save_access(
    conn: Connection, prepared: _Prepared | None, *, org_id: UUID, account_id: UUID
) -> None:
    if prepared is None:
        return
    if not await accounts.update_access(
        conn, prepared.stored, account_id=account_id, version=prepared.version
    ):
        raise LostRace
    if prepared.numbers is not None:
        await accounts.replace_phone_numbers(conn, prepared.numbers, org_id=org_id, account_id=account_id)


def _source(change: str | None, *, present: UUID | None) -> UUID | None:
    if change is None:
        return present
    return UUID(change) if change else None


def _check_reserve(*, line_count: int, inbound_reserve: int) -> None:
    if inbound_reserve > line_count:
        violation = FieldViolation("inbound_reserve", "must not be more than lines")
        raise InvalidArgument(violations=[violation])


async def _get(conn: Connection, account_id: UUID) -> ProviderAccount:
    found = await accounts.find_account(conn, account_id=account_id)
    if found is None:
        raise ProviderAccountNotFound
    return await with_rate(conn, found)


async def _lay_out(
    conn: Connection, *, org_id: UUID, account_id: UUID, line_count: int, reserve: int
) -> None:
    present = await lines.lock_lines(conn, account_id=account_id)
    plan = plan_lines(present, lines=line_count, inbound_reserve=reserve)
    await lines.save_plan(conn, plan, org_id=org_id, account_id=account_id)
