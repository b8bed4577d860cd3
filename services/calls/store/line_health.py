"""Who is on a phone number."""

from dataclasses import dataclass
from datetime import datetime

from libs.pg import Connection


@dataclass(frozen=True, slots=True)
class Occupancy:
    active_calls: int
    read_at: datetime


async def read(conn: Connection, phone_number_id: str, *, except_campaign_id: str) -> Occupancy:
    """Of the transaction's organization. The excepted campaign's calls are not counted; empty excepts
    none."""
    [row] = await conn.fetch(
        """
        SELECT count(*) AS active_calls, clock_timestamp() AS read_at
          FROM calls.calls
         WHERE org_id = NULLIF(current_setting('app.org_id', true), '')::uuid
           AND status IN ('QUEUED', 'RINGING', 'IN_PROGRESS')
           AND phone_number_id = $1 AND ($2 = '' OR campaign_id <> $2)
        """,
        phone_number_id,
        except_campaign_id,
    )
    return Occupancy(**row)
