"""Connection pools that refuse to run with too much power."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import asyncpg
import msgspec

from libs import telemetry
from libs.pg.transactions import Pool

_log = telemetry.logger(__name__)

_START_SECONDS_MAX: Final = 60.0
_SETTINGS: Final = {
    "statement_timeout": "10s",
    "lock_timeout": "4s",
    "idle_in_transaction_session_timeout": "10s",
    # Every statement names its schema; one that forgets to must fail.
    "search_path": "",
    "timezone": "UTC",
}
# The network's limit, above the server's own: only a connection that went silent gets here.
_COMMAND_SECONDS_MAX: Final = 15.0


class RoleRefused(Exception):
    """The role could do what the service must never be able to do."""


async def open_pool(
    dsn: str, *, service: str, size_max: int, size_min: int = 1, start_seconds_max: float = _START_SECONDS_MAX
) -> Pool:
    """Waits for a database that is still starting. Raises RoleRefused for a superuser, a role that may bypass
    row level security, or the owner of a schema. jsonb reads and writes as Python values."""
    deadline = asyncio.get_running_loop().time() + start_seconds_max
    delay = 0.1
    while True:
        try:
            return await _open(dsn, service=service, size_max=size_max, size_min=size_min)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as exc:
            if asyncio.get_running_loop().time() + delay > deadline:
                raise
            _log.warning("database not reachable yet", exception_type=type(exc).__qualname__)
        await asyncio.sleep(delay)
        delay = min(delay * 2, 2.0)


async def _open(dsn: str, *, service: str, size_max: int, size_min: int) -> Pool:
    pool = await asyncpg.create_pool(
        dsn,
        min_size=size_min,
        max_size=size_max,
        init=_prepare,
        reset=_leave_no_transaction,
        timeout=5.0,
        command_timeout=_COMMAND_SECONDS_MAX,
        server_settings={**_SETTINGS, "application_name": service},
    )
    try:
        async with pool.acquire() as connection:
            await _refuse_powerful_role(connection)
    except BaseException:
        pool.terminate()
        raise
    return pool


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=_to_json, decoder=msgspec.json.decode, schema="pg_catalog"
    )


def _to_json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _leave_no_transaction(connection: Any) -> None:
    """Instead of asyncpg's RESET ALL, which costs a round trip: everything we set ends with the
    transaction."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


async def _refuse_powerful_role(connection: Any) -> None:
    row = await connection.fetchrow(
        """
        SELECT rolname, rolsuper, rolbypassrls,
               EXISTS (SELECT FROM pg_namespace
                        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
                          AND pg_has_role(pg_roles.oid, nspowner, 'MEMBER')) AS owns_schema
          FROM pg_roles
         WHERE rolname = current_user
        """
    )
    checks: dict[str, Callable[[Any], bool]] = {
        "is a superuser": lambda role: role["rolsuper"],
        "may bypass row level security": lambda role: role["rolbypassrls"],
        "owns a schema": lambda role: role["owns_schema"],
    }
    faults = [fault for fault, applies in checks.items() if applies(row)]
    if faults:
        raise RoleRefused(
            f"database role {row['rolname']!r} {' and '.join(faults)}; use the service's own role"
        )
