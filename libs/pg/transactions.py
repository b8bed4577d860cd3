"""The only ways a service comes to a connection."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from libs import telemetry
from libs.errors import Kind, ServiceError

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[Any] | PoolConnectionProxy[Any]
    Pool: TypeAlias = asyncpg.Pool[Any]
else:
    # The library's classes are generic for type checkers only.
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

_ACQUIRE_SECONDS_MAX = 3.0

_log = telemetry.logger(__name__)

# Connection refused or gone, too many connections, server shutting down, statement or lock timeout of the
# server.
_UNAVAILABLE: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # The pool restores a lost connection while somebody asks for it: two hands on one holder.
    asyncpg.InternalClientError,
    ConnectionError,
    # The driver's own limit, for a connection that went silent.
    TimeoutError,
)
_LOST_RACE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)


class DatabaseUnavailable(ServiceError):
    """The database cannot be reached at the moment."""

    kind = Kind.UNAVAILABLE
    reason = "DATABASE_UNAVAILABLE"
    retry_after_seconds_default = 1.0


class LostRace(ServiceError):
    """Somebody else changed the same thing at the same time; try the whole operation again."""

    kind = Kind.LOST_RACE
    reason = "LOST_RACE"


@asynccontextmanager
async def transaction(pool: Pool, *, org_id: UUID | None = None) -> AsyncIterator[Connection]:
    """Commits when the block ends, rolls back when it raises.

    `org_id` is the organization whose rows the request role sees, in this transaction only; None is for the
    worker role. A lost connection, also during the commit, is DatabaseUnavailable: whether the commit
    happened is then unknown.
    """
    async with _connection(pool) as connection, connection.transaction():
        if org_id is not None:
            await connection.execute("SELECT set_config('app.org_id', $1, true)", str(org_id))
        yield connection


@asynccontextmanager
async def autocommit(pool: Pool) -> AsyncIterator[Connection]:
    """Each statement is a transaction of the worker role by itself, committed when it returns: two turns to
    the database fewer than a transaction of one statement. Raises what `transaction` raises."""
    async with _connection(pool) as connection:
        yield connection


@asynccontextmanager
async def _connection(pool: Pool) -> AsyncIterator["PoolConnectionProxy[Any]"]:
    with _database_errors():
        connection = await _acquired(pool)
        try:
            yield connection
        except asyncpg.InterfaceError as exc:
            # The driver's word for a closed connection, and for wrong arguments, which are nobody's outage.
            if _is_gone(connection):
                raise DatabaseUnavailable from exc
            raise
        finally:
            await pool.release(connection)


def _is_gone(connection: "PoolConnectionProxy[Any]") -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        # The pool has taken the dead connection back already.
        return True


async def _acquired(pool: Pool) -> "PoolConnectionProxy[Any]":
    try:
        return await pool.acquire(timeout=_ACQUIRE_SECONDS_MAX)
    except (OSError, asyncpg.InterfaceError) as exc:
        # Nobody gave a connection back in time, no new one could be opened, or the pool is closing.
        raise DatabaseUnavailable from exc


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except _LOST_RACE as exc:
        raise LostRace from exc
    except _UNAVAILABLE as exc:
        _log.warning("database unavailable", exception_type=type(exc).__qualname__)
        raise DatabaseUnavailable from exc
