"""What requests with an idempotency key have made."""

from dataclasses import dataclass
from uuid import UUID

from libs.pg import Connection


@dataclass(frozen=True, slots=True)
class Earlier:
    """A request that came before under the same key. `resource_id` None: it is at work, or died at it."""

    fingerprint: str
    resource_id: UUID | None
    age_seconds: float


async def reserve(conn: Connection, key: str, *, org_id: UUID, fingerprint: str) -> bool:
    """False if the key is taken; waits for a transaction that is just taking it."""
    reserved: bool | None = await conn.fetchval(
        """
        INSERT INTO campaigns.idempotency_keys (org_id, key, fingerprint)
        VALUES ($1, $2, $3)
            ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING
        RETURNING true
        """,
        org_id,
        key,
        fingerprint,
    )
    return reserved or False


async def lock(conn: Connection, key: str) -> Earlier | None:
    row = await conn.fetchrow(
        """
        SELECT fingerprint, resource_id,
               extract(epoch FROM clock_timestamp() - created_at)::double precision AS age_seconds
          FROM campaigns.idempotency_keys
         WHERE key = $1
           FOR UPDATE
        """,
        key,
    )
    return Earlier(**row) if row else None


async def renew(conn: Connection, key: str) -> None:
    """Takes over from a request that died."""
    await conn.execute(
        "UPDATE campaigns.idempotency_keys SET created_at = clock_timestamp() WHERE key = $1", key
    )


async def fulfill(conn: Connection, key: str, *, resource_id: UUID) -> None:
    await conn.execute(
        "UPDATE campaigns.idempotency_keys SET resource_id = $2 WHERE key = $1", key, resource_id
    )


async def release(conn: Connection, key: str) -> None:
    """Lets the same request be tried again after it failed."""
    await conn.execute("DELETE FROM campaigns.idempotency_keys WHERE key = $1 AND resource_id IS NULL", key)


async def delete_old(conn: Connection, *, hours: int, limit: int) -> int:
    deleted: int = await conn.fetchval(
        """
        WITH deleted AS (
            DELETE FROM campaigns.idempotency_keys
             WHERE (org_id, key) IN (SELECT org_id, key FROM campaigns.idempotency_keys
                                      WHERE created_at < clock_timestamp() - make_interval(hours => $1)
                                      LIMIT $2)
            RETURNING 1
        )
        SELECT count(*) FROM deleted
        """,
        hours,
        limit,
    )
    return deleted
