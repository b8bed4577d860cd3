"""Provider accounts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.pg import Connection
from services.calls.domain.accounts import ProviderAccount
from services.calls.errors import ProviderAccountNameTaken


async def insert_account(
    conn: Connection, *, org_id: UUID, name: str, provider: str, lines: int, inbound_reserve: int
) -> UUID:
    try:
        created: UUID = await conn.fetchval(
            """
            INSERT INTO calls.provider_accounts (org_id, name, provider, lines, inbound_reserve)
            VALUES ($1, $2, $3, $4, $5)
            RETURNING id
            """,
            org_id,
            name,
            provider,
            lines,
            inbound_reserve,
        )
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name != "provider_accounts_name_unique":
            raise
        raise ProviderAccountNameTaken from None
    return created


async def insert_first_account(
    conn: Connection, *, org_id: UUID, name: str, provider: str, lines: int
) -> UUID | None:
    """Unless the organization has any account; None then."""
    created: UUID | None = await conn.fetchval(
        """
        INSERT INTO calls.provider_accounts (org_id, name, provider, lines)
        SELECT $1, $2, $3, $4
         WHERE NOT EXISTS (SELECT FROM calls.provider_accounts WHERE org_id = $1)
            ON CONFLICT ON CONSTRAINT provider_accounts_name_unique DO NOTHING
        RETURNING id
        """,
        org_id,
        name,
        provider,
        lines,
    )
    return created


async def find_active_account_id(conn: Connection, *, org_id: UUID, provider: str) -> UUID | None:
    """The oldest active one."""
    found: UUID | None = await conn.fetchval(
        """
        SELECT id
          FROM calls.provider_accounts
         WHERE org_id = $1 AND provider = $2 AND active
         ORDER BY created_at, id
         LIMIT 1
        """,
        org_id,
        provider,
    )
    return found


async def find_account(conn: Connection, *, account_id: UUID) -> ProviderAccount | None:
    row = await conn.fetchrow(
        """
        SELECT account.id, account.name, account.provider, account.lines, account.inbound_reserve,
               account.active, account.created_at,
               (SELECT count(*) FROM calls.lines
                 WHERE lines.account_id = account.id AND lines.call_id IS NOT NULL)::integer AS lines_in_use
          FROM calls.provider_accounts AS account
         WHERE account.id = $1
        """,
        account_id,
    )
    return _account(row) if row else None


async def lock_account(conn: Connection, *, account_id: UUID) -> bool:
    """Keeps two changes of one account apart."""
    return bool(
        await conn.fetchval("SELECT true FROM calls.provider_accounts WHERE id = $1 FOR UPDATE", account_id)
    )


async def update_account(
    conn: Connection, *, account_id: UUID, lines: int, inbound_reserve: int, active: bool
) -> None:
    await conn.execute(
        """
        UPDATE calls.provider_accounts
           SET lines = $2, inbound_reserve = $3, active = $4, updated_at = now()
         WHERE id = $1
        """,
        account_id,
        lines,
        inbound_reserve,
        active,
    )


async def list_accounts(
    conn: Connection, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[ProviderAccount]:
    """Oldest first, after the one at `after`."""
    created_at, account_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT account.id, account.name, account.provider, account.lines, account.inbound_reserve,
               account.active, account.created_at,
               (SELECT count(*) FROM calls.lines
                 WHERE lines.account_id = account.id AND lines.call_id IS NOT NULL)::integer AS lines_in_use
          FROM calls.provider_accounts AS account
         WHERE $1::timestamptz IS NULL OR (account.created_at, account.id) > ($1, $2::uuid)
         ORDER BY account.created_at, account.id
         LIMIT $3
        """,
        created_at,
        account_id,
        limit,
    )
    return [_account(row) for row in rows]


def _account(row: Mapping[str, Any]) -> ProviderAccount:
    return ProviderAccount(**row)
