"""What is needed to send an attempt's request, and whether it may still be sent."""

from dataclasses import dataclass
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import pinning
from services.campaigns.domain.campaigns import UNDER_WAY, Status
from services.campaigns.domain.dialing import Dial
from services.campaigns.store.rows import existing

_DIAL = """
SELECT attempt.id AS attempt_id, attempt.org_id, attempt.campaign_id, attempt.contact_id, contact.phone,
       contact.name, campaign.assistant_id, campaign.provider_assistant_id, campaign.phone_number_id,
       campaign.traceparent, campaign.status, assistant.config AS current_config,
       coalesce(version.config, assistant.config) AS pinned_config,
       EXISTS (SELECT FROM campaigns.suppressions
                WHERE suppressions.org_id = attempt.org_id AND suppressions.phone = contact.phone
                  AND suppressions.channel IN ('VOICE', 'ALL')) AS suppressed
  FROM campaigns.attempts AS attempt
  JOIN campaigns.campaigns AS campaign ON campaign.id = attempt.campaign_id
  JOIN campaigns.contacts AS contact ON contact.id = attempt.contact_id
  JOIN campaigns.assistants AS assistant ON assistant.id = campaign.assistant_id
  LEFT JOIN campaigns.assistant_versions AS version
    ON version.assistant_id = campaign.assistant_id AND version.version = campaign.assistant_version
 WHERE attempt.id = $1
"""


@dataclass(frozen=True, slots=True)
class StoredDial:
    dial: Dial
    # False once the campaign was paused or ended, or the contact does not want to be called any more.
    still_wanted: bool


async def get(conn: Connection, attempt_id: UUID) -> StoredDial:
    row = await conn.fetchrow(_DIAL, attempt_id)
    columns = dict(existing(row))
    status, suppressed = Status(columns.pop("status")), columns.pop("suppressed")
    pinned, current = columns.pop("pinned_config"), columns.pop("current_config")
    dial = Dial(
        **columns,
        max_duration_seconds=pinning.max_duration_seconds(pinned),
        assistant_overrides=pinning.overrides(pinned=pinned, current=current),
    )
    return StoredDial(dial, still_wanted=status in UNDER_WAY and not suppressed)
