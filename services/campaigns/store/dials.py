"""What is needed to send an attempt's request, and whether it may still be sent."""

from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain import pinning
from services.campaigns.domain.calling_hours import may_call
from services.campaigns.domain.campaigns import UNDER_WAY, Status
from services.campaigns.domain.dialing import Dial
from services.campaigns.domain.recipient_zones import zone_names
from services.campaigns.store import gates
from services.campaigns.store.rows import existing

_DIAL = """
SELECT attempt.id AS attempt_id, attempt.org_id, attempt.campaign_id, attempt.contact_id, contact.phone,
       contact.name, campaign.assistant_id, campaign.provider_assistant_id, campaign.phone_number_id,
       campaign.traceparent, assistant.config AS current_config,
       coalesce(version.config, assistant.config) AS pinned_config,
       coalesce(settings.transcript_analysis, true) AS analyzed
  FROM campaigns.attempts AS attempt
  JOIN campaigns.campaigns AS campaign ON campaign.id = attempt.campaign_id
  JOIN campaigns.contacts AS contact ON contact.id = attempt.contact_id
  JOIN campaigns.assistants AS assistant ON assistant.id = campaign.assistant_id
  LEFT JOIN campaigns.campaign_settings AS settings ON settings.org_id = attempt.org_id
  LEFT JOIN campaigns.assistant_versions AS version
    ON version.assistant_id = campaign.assistant_id AND version.version = campaign.assistant_version
 WHERE attempt.id = $1
"""


_STANDING = """
SELECT campaign.status, contact.phone, contact.time_zone, clock_timestamp() AS now,
       coalesce((SELECT policy.calling_hours FROM campaigns.dialing_policies AS policy
                  WHERE policy.org_id = attempt.org_id), '[]') AS hours,
       coalesce((SELECT policy.calling_hours FROM campaigns.campaign_dialing_policies AS policy
                  WHERE policy.campaign_id = attempt.campaign_id), '[]') AS own_hours,
       EXISTS (SELECT FROM campaigns.suppressions
                WHERE suppressions.org_id = attempt.org_id AND suppressions.phone = contact.phone
                  AND suppressions.channel IN ('VOICE', 'ALL'))
       OR EXISTS (SELECT FROM campaigns.kill_switches AS switch
                   WHERE switch.released_at IS NULL AND switch.org_id = attempt.org_id
                     AND (switch.campaign_id IS NULL OR switch.campaign_id = attempt.campaign_id))
       OR ((EXISTS (SELECT FROM campaigns.dialing_policies AS policy
                     WHERE policy.org_id = attempt.org_id AND policy.consent_required)
            OR EXISTS (SELECT FROM campaigns.campaign_dialing_policies AS policy
                        WHERE policy.campaign_id = attempt.campaign_id AND policy.consent_required))
           AND NOT EXISTS (SELECT FROM campaigns.consents
                            WHERE consents.org_id = attempt.org_id AND consents.phone = contact.phone
                              AND consents.channel IN ('VOICE', 'ALL')
                              AND consents.revoked_at IS NULL)) AS forbidden
  FROM campaigns.attempts AS attempt
  JOIN campaigns.campaigns AS campaign ON campaign.id = attempt.campaign_id
  JOIN campaigns.contacts AS contact ON contact.id = attempt.contact_id
 WHERE attempt.id = $1
"""


async def get(conn: Connection, attempt_id: UUID) -> Dial:
    row = await conn.fetchrow(_DIAL, attempt_id)
    columns = dict(existing(row))
    pinned, current = columns.pop("pinned_config"), columns.pop("current_config")
    analyzed = columns.pop("analyzed")
    return Dial(
        **columns,
        max_duration_seconds=pinning.max_duration_seconds(pinned),
        assistant_overrides=pinning.overrides(pinned=pinned, current=current, analyzed=analyzed),
    )


async def is_wanted(conn: Connection, attempt_id: UUID) -> bool:
    """False once the campaign was paused, ended or stopped by a kill switch, or the contact may not be called
    any more, or not at this hour."""
    row = existing(await conn.fetchrow(_STANDING, attempt_id))
    if Status(row["status"]) not in UNDER_WAY or row["forbidden"]:
        return False
    weekly = [gates.calling_hours(stored) for stored in (row["hours"], row["own_hours"]) if stored]
    zones = zone_names(row["phone"], time_zone=row["time_zone"]) if weekly else ()
    return not weekly or (bool(zones) and may_call(row["now"], zones=zones, hours=weekly))
