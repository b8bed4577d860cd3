"""Provider accounts: what an organization has at the voice provider, and how many calls at a time that is."""

from datetime import datetime
from uuid import UUID

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Connection, Pool, transaction
from services.calls.domain.accounts import DEFAULT_ACCOUNT_NAME, LINES_DEFAULT, ProviderAccount, plan_lines
from services.calls.errors import ProviderAccountNotFound
from services.calls.store import accounts, lines

PROVIDER = "vapi"


class Accounts:
    def __init__(self, pool: Pool, *, lines_default: int = LINES_DEFAULT) -> None:
        self._pool = pool
        self._lines_default = lines_default

    async def create(
        self, *, org_id: UUID, name: str, provider: str, line_count: int, inbound_reserve: int
    ) -> ProviderAccount:
        """Raises ProviderAccountNameTaken."""
        line_count = line_count or self._lines_default
        _check_reserve(line_count=line_count, inbound_reserve=inbound_reserve)
        async with transaction(self._pool, org_id=org_id) as conn:
            account_id = await accounts.insert_account(
                conn,
                org_id=org_id,
                name=name,
                provider=provider,
                lines=line_count,
                inbound_reserve=inbound_reserve,
            )
            await _lay_out(
                conn, org_id=org_id, account_id=account_id, line_count=line_count, reserve=inbound_reserve
            )
            return await _get(conn, account_id)

    async def get(self, *, org_id: UUID, account_id: UUID) -> ProviderAccount:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await _get(conn, account_id)

    async def list(
        self, *, org_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[ProviderAccount]:
        async with transaction(self._pool, org_id=org_id) as conn:
            return await accounts.list_accounts(conn, after=after, limit=limit)

    async def update(
        self,
        *,
        org_id: UUID,
        account_id: UUID,
        line_count: int | None = None,
        inbound_reserve: int | None = None,
        active: bool | None = None,
    ) -> ProviderAccount:
        """What is None stays. Fewer lines than are in use: no new call until enough of them have ended."""
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
            )
            await _lay_out(conn, org_id=org_id, account_id=account_id, line_count=line_count, reserve=reserve)
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


def _check_reserve(*, line_count: int, inbound_reserve: int) -> None:
    if inbound_reserve > line_count:
        violation = FieldViolation("inbound_reserve", "must not be more than lines")
        raise InvalidArgument(violations=[violation])


async def _get(conn: Connection, account_id: UUID) -> ProviderAccount:
    found = await accounts.find_account(conn, account_id=account_id)
    if found is None:
        raise ProviderAccountNotFound
    return found


async def _lay_out(
    conn: Connection, *, org_id: UUID, account_id: UUID, line_count: int, reserve: int
) -> None:
    present = await lines.lock_lines(conn, account_id=account_id)
    plan = plan_lines(present, lines=line_count, inbound_reserve=reserve)
    await lines.save_plan(conn, plan, org_id=org_id, account_id=account_id)
