"""The cap as rows. Only whoever holds the campaign's lock adds, takes, frees or removes slots."""

from uuid import UUID

from libs.pg import Connection


async def fit(conn: Connection, campaign_id: UUID, *, org_id: UUID, cap: int) -> None:
    """Adds free slots up to the cap, or removes free ones above it. Taken ones stay: a lowered cap ends no
    call."""
    await conn.execute(
        """
        INSERT INTO campaigns.slots (campaign_id, slot_no, org_id)
        SELECT $1, slot_no, $2
          FROM generate_series(1, 100) AS number (slot_no)
         WHERE NOT EXISTS (SELECT FROM campaigns.slots AS present
                            WHERE present.campaign_id = $1 AND present.slot_no = number.slot_no)
         ORDER BY slot_no
         LIMIT greatest($3 - (SELECT count(*) FROM campaigns.slots WHERE campaign_id = $1), 0)
        """,
        campaign_id,
        org_id,
        cap,
    )
    await trim(conn, campaign_id, cap=cap)


async def trim(conn: Connection, campaign_id: UUID, *, cap: int) -> None:
    """Removes free slots above the cap."""
    await conn.execute(
        """
        DELETE FROM campaigns.slots
         WHERE campaign_id = $1
           AND slot_no IN (SELECT slot_no FROM campaigns.slots
                            WHERE campaign_id = $1 AND attempt_id IS NULL
                            ORDER BY slot_no DESC
                            LIMIT greatest(0,
                                  (SELECT count(*) FROM campaigns.slots WHERE campaign_id = $1) - $2))
        """,
        campaign_id,
        cap,
    )


async def find_free(conn: Connection, campaign_id: UUID) -> int | None:
    slot_no: int | None = await conn.fetchval(
        """
        SELECT slot_no
          FROM campaigns.slots
         WHERE campaign_id = $1 AND attempt_id IS NULL
         ORDER BY slot_no
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """,
        campaign_id,
    )
    return slot_no


async def take(conn: Connection, campaign_id: UUID, slot_no: int, *, attempt_id: UUID) -> None:
    await conn.execute(
        """
        UPDATE campaigns.slots SET attempt_id = $3
         WHERE campaign_id = $1 AND slot_no = $2 AND attempt_id IS NULL
        """,
        campaign_id,
        slot_no,
        attempt_id,
    )


async def free(conn: Connection, attempt_id: UUID) -> None:
    """Only what the attempt itself holds; a second call changes nothing."""
    await conn.execute("UPDATE campaigns.slots SET attempt_id = NULL WHERE attempt_id = $1", attempt_id)


async def count_taken(conn: Connection, campaign_id: UUID) -> int:
    taken: int = await conn.fetchval(
        "SELECT count(*) FROM campaigns.slots WHERE campaign_id = $1 AND attempt_id IS NOT NULL", campaign_id
    )
    return taken
