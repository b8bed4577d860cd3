"""Provider accounts."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.errors import FieldViolation, InvalidArgument
from libs.pg import Connection
from services.calls.domain.accounts import AccountLink, ProviderAccount, StoredAccess
from services.calls.domain.assistants import ProviderPhoneNumber
from services.calls.errors import ProviderAccountNameTaken

# An assistant is looked for in so many accounts.
_SEARCHED_MAX = 20


async def insert_account(
    conn: Connection,
    *,
    org_id: UUID,
    account_id: UUID,
    name: str,
    provider: str,
    lines: int,
    inbound_reserve: int,
    source_id: UUID | None,
) -> None:
    with _taken():
        await conn.execute(
            """
            INSERT INTO calls.provider_accounts (
                   id, org_id, name, provider, lines, inbound_reserve, source_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            """,
            account_id,
            org_id,
            name,
            provider,
            lines,
            inbound_reserve,
            source_id,
        )


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


async def choose_link(
    conn: Connection, *, org_id: UUID, account_id: UUID | None, phone_number_id: str, provider: str
) -> AccountLink | None:
    """Of an active account: the one that is named, and no other; else the oldest that has the phone number,
    else the oldest."""
    row = await conn.fetchrow(
        """
        SELECT id AS account_id, org_id, version, base_url, webhook_url, webhook_credential_id, credentials
          FROM calls.provider_accounts AS account
         WHERE org_id = $1 AND provider = $2 AND active AND ($3::uuid IS NULL OR id = $3)
         ORDER BY EXISTS (SELECT FROM calls.provider_phone_numbers AS number
                           WHERE number.account_id = account.id AND number.phone_number_id = $4) DESC,
                  created_at, id
         LIMIT 1
        """,
        org_id,
        provider,
        account_id,
        phone_number_id,
    )
    return AccountLink(**row) if row else None


async def find_link(conn: Connection, *, org_id: UUID, account_id: UUID | None) -> AccountLink | None:
    """Of this account, active or not; of the oldest active one if none is named."""
    row = await conn.fetchrow(
        """
        SELECT id AS account_id, org_id, version, base_url, webhook_url, webhook_credential_id, credentials
          FROM calls.provider_accounts
         WHERE org_id = $1 AND CASE WHEN $2::uuid IS NULL THEN active ELSE id = $2 END
         ORDER BY created_at, id
         LIMIT 1
        """,
        org_id,
        account_id,
    )
    return AccountLink(**row) if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What tells which account a call came in through."""

    org_id: UUID
    provider: str
    source_id: UUID | None
    phone_number_id: str


async def find_owners(conn: Connection, arrivals: Sequence[Arrival]) -> list[UUID | None]:
    """For each the account of its source, else the active one that has the phone number, else the oldest
    active one; None if the organization has none."""
    rows = await conn.fetch(
        """
        SELECT (SELECT account.id
                  FROM calls.provider_accounts AS account
                 WHERE account.org_id = arrival.org_id AND account.provider = arrival.provider
                   AND (account.active OR account.source_id = arrival.source_id)
                 ORDER BY (account.source_id = arrival.source_id) IS TRUE DESC,
                          EXISTS (SELECT FROM calls.provider_phone_numbers AS number
                                   WHERE number.account_id = account.id
                                     AND number.phone_number_id = arrival.phone_number_id) DESC,
                          account.created_at, account.id
                 LIMIT 1) AS account_id
          FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY
               AS arrival (org_id, provider, source_id, phone_number_id, ordinal)
         ORDER BY ordinal
        """,
        [one.org_id for one in arrivals],
        [one.provider for one in arrivals],
        [one.source_id for one in arrivals],
        [one.phone_number_id for one in arrivals],
    )
    return [row["account_id"] for row in rows]


async def list_active_links(conn: Connection, *, org_id: UUID) -> list[AccountLink]:
    """Oldest first."""
    rows = await conn.fetch(
        """
        SELECT id AS account_id, org_id, version, base_url, webhook_url, webhook_credential_id, credentials
          FROM calls.provider_accounts
         WHERE org_id = $1 AND active
         ORDER BY created_at, id
         LIMIT $2
        """,
        org_id,
        _SEARCHED_MAX,
    )
    return [AccountLink(**row) for row in rows]


async def find_account(conn: Connection, *, account_id: UUID) -> ProviderAccount | None:
    row = await conn.fetchrow(
        """
        SELECT account.id, account.name, account.provider, account.lines, account.inbound_reserve,
               account.active, account.created_at, account.credentials_hint AS api_key_hint,
               account.credentials_set_at, account.base_url, account.webhook_url,
               account.webhook_credential_id, account.source_id,
               (SELECT count(*) FROM calls.lines
                 WHERE lines.account_id = account.id AND lines.call_id IS NOT NULL)::integer AS lines_in_use,
               (SELECT jsonb_agg(jsonb_build_object('id', phone_number_id, 'number', number, 'name', name)
                                 ORDER BY number, phone_number_id)
                  FROM calls.provider_phone_numbers AS number
                 WHERE number.account_id = account.id) AS phone_numbers
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
    conn: Connection,
    *,
    account_id: UUID,
    lines: int,
    inbound_reserve: int,
    active: bool,
    source_id: UUID | None,
) -> None:
    with _taken():
        await conn.execute(
            """
            UPDATE calls.provider_accounts
               SET lines = $2, inbound_reserve = $3, active = $4, source_id = $5, updated_at = now()
             WHERE id = $1
            """,
            account_id,
            lines,
            inbound_reserve,
            active,
            source_id,
        )


async def update_access(conn: Connection, access: StoredAccess, *, account_id: UUID, version: int) -> bool:
    """False if it is no longer at `version`."""
    updated: bool | None = await conn.fetchval(
        """
        UPDATE calls.provider_accounts
           SET credentials = $3, credentials_hint = $4, base_url = $6, webhook_url = $7,
               webhook_credential_id = $8, version = version + 1, updated_at = now(),
               credentials_set_at = CASE WHEN $5 THEN now() ELSE credentials_set_at END
         WHERE id = $1 AND version = $2
        RETURNING true
        """,
        account_id,
        version,
        access.credentials,
        access.api_key_hint,
        access.api_key_changed,
        access.base_url,
        access.webhook_url,
        access.webhook_credential_id,
    )
    return updated or False


async def replace_phone_numbers(
    conn: Connection, numbers: Sequence[ProviderPhoneNumber], *, org_id: UUID, account_id: UUID
) -> None:
    await conn.execute("DELETE FROM calls.provider_phone_numbers WHERE account_id = $1", account_id)
    await conn.execute(
        """
        INSERT INTO calls.provider_phone_numbers (org_id, account_id, phone_number_id, number, name)
        SELECT DISTINCT ON (phone_number_id) $1, $2, phone_number_id, number, name
          FROM unnest($3::text[], $4::text[], $5::text[]) AS listed (phone_number_id, number, name)
         WHERE phone_number_id <> ''
        """,
        org_id,
        account_id,
        [one.id for one in numbers],
        [one.number for one in numbers],
        [one.name for one in numbers],
    )


async def list_accounts(
    conn: Connection, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[ProviderAccount]:
    """Oldest first, after the one at `after`."""
    created_at, account_id = after or (None, None)
    rows = await conn.fetch(
        """
        SELECT account.id, account.name, account.provider, account.lines, account.inbound_reserve,
               account.active, account.created_at, account.credentials_hint AS api_key_hint,
               account.credentials_set_at, account.base_url, account.webhook_url,
               account.webhook_credential_id, account.source_id,
               (SELECT count(*) FROM calls.lines
                 WHERE lines.account_id = account.id AND lines.call_id IS NOT NULL)::integer AS lines_in_use,
               (SELECT jsonb_agg(jsonb_build_object('id', phone_number_id, 'number', number, 'name', name)
                                 ORDER BY number, phone_number_id)
                  FROM calls.provider_phone_numbers AS number
                 WHERE number.account_id = account.id) AS phone_numbers
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


@contextmanager
def _taken() -> Iterator[None]:
    """Turns what must be unique into the caller's error."""
    try:
        yield
    except asyncpg.UniqueViolationError as exc:
        if exc.constraint_name == "provider_accounts_name_unique":
            raise ProviderAccountNameTaken from None
        if exc.constraint_name == "provider_accounts_source_unique":
            violation = FieldViolation("source_id", "must not be the source of another account")
            raise InvalidArgument(violations=[violation]) from None
        raise


def _account(row: Mapping[str, Any]) -> ProviderAccount:
    numbers = [ProviderPhoneNumber(**number) for number in row["phone_numbers"] or ()]
    return ProviderAccount(**{**row, "phone_numbers": numbers})
