"""The cap as rows. Only whoever holds the campaign's lock adds, takes, frees or removes slots."""

from uuid import UUID

from libs.pg import Connection


async def fit(conn: Connection, campaign_id: UUID, *, org_id: UUID, cap: int) -> int:
    """Adds free slots up to the cap, or removes free ones above it. Taken ones stay: a lowered cap ends no
    call. Returns how many were added."""
    status: str = await conn.execute(
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
    return int(status.rsplit(" ", 1)[1])


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


async def list_suspect_campaigns(conn: Connection, *, limit: int) -> list[UUID]:
    """Those with a slot whose attempt is over, an open attempt without a slot, or, while under way, fewer
    slots than their cap."""
    rows = await conn.fetch(
        """
        SELECT campaign_id
          FROM (SELECT slot.campaign_id
                  FROM campaigns.slots AS slot
                  JOIN campaigns.attempts AS attempt ON attempt.id = slot.attempt_id
                 WHERE slot.attempt_id IS NOT NULL AND attempt.state IN ('REFUSED', 'ENDED')
                 UNION
                SELECT attempt.campaign_id
                  FROM campaigns.attempts AS attempt
                 WHERE attempt.state IN ('INTENT', 'PLACED', 'UNKNOWN')
                   AND NOT EXISTS (SELECT FROM campaigns.slots WHERE slots.attempt_id = attempt.id)
                 UNION
                SELECT campaign.id
                  FROM campaigns.campaigns AS campaign
                 WHERE campaign.status IN ('QUEUED', 'DIALING', 'RUNNING')
                   AND campaign.cap > (SELECT count(*) FROM campaigns.slots
                                        WHERE slots.campaign_id = campaign.id)) AS suspect
         LIMIT $1
        """,
        limit,
    )
    return [row["campaign_id"] for row in rows]


async def free_left_behind(conn: Connection, campaign_id: UUID) -> int:
    """Frees slots whose attempt is over; returns how many."""
    status: str = await conn.execute(
        """
        UPDATE campaigns.slots AS slot
           SET attempt_id = NULL
          FROM campaigns.attempts AS attempt
         WHERE slot.campaign_id = $1 AND attempt.id = slot.attempt_id
           AND attempt.state IN ('REFUSED', 'ENDED')
        """,
        campaign_id,
    )
    return int(status.removeprefix("UPDATE "))


async def hold_unheld(conn: Connection, campaign_id: UUID, *, org_id: UUID) -> int:
    """Gives a slot to every open attempt that has none, a new one if none is free; returns how many."""
    rows = await conn.fetch(
        """
        SELECT id
          FROM campaigns.attempts AS attempt
         WHERE campaign_id = $1 AND state IN ('INTENT', 'PLACED', 'UNKNOWN')
           AND NOT EXISTS (SELECT FROM campaigns.slots WHERE slots.attempt_id = attempt.id)
         LIMIT 100
        """,
        campaign_id,
    )
    for row in rows:
        slot_no = await find_free(conn, campaign_id)
        if slot_no is None:
            slot_no = await _add(conn, campaign_id, org_id=org_id)
        await take(conn, campaign_id, slot_no, attempt_id=row["id"])
    return len(rows)


async def _add(conn: Connection, campaign_id: UUID, *, org_id: UUID) -> int:
    slot_no: int = await conn.fetchval(
        """
        INSERT INTO campaigns.slots (campaign_id, slot_no, org_id)
        SELECT $1, coalesce(max(slot_no), 0) + 1, $2 FROM campaigns.slots WHERE campaign_id = $1
        RETURNING slot_no
        """,
        campaign_id,
        org_id,
    )
    return slot_no
