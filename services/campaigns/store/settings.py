"""What organizations decide about their campaigns."""

from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.settings import CampaignSettings


async def find(conn: Connection, *, org_id: UUID) -> CampaignSettings:
    """The defaults, if nothing was ever decided."""
    row = await conn.fetchrow(
        """
        SELECT strict_batching, phone_line_health_check, transcript_analysis, cost_tracking,
               export_functionality, max_concurrent_calls, max_campaign_size, max_file_upload_size,
               cron_cadence_seconds, version, updated_at
          FROM campaigns.campaign_settings
         WHERE org_id = $1
        """,
        org_id,
    )
    return CampaignSettings(**row) if row else CampaignSettings()


async def save(conn: Connection, settings: CampaignSettings, *, org_id: UUID, version: int) -> bool:
    """All of them; `version` is what they were read at. False if somebody else was faster."""
    saved: bool | None = await conn.fetchval(
        """
        INSERT INTO campaigns.campaign_settings AS settings
               (org_id, strict_batching, phone_line_health_check, transcript_analysis, cost_tracking,
                export_functionality, max_concurrent_calls, max_campaign_size, max_file_upload_size,
                cron_cadence_seconds)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT ON CONSTRAINT campaign_settings_pkey DO UPDATE
           SET strict_batching = excluded.strict_batching,
               phone_line_health_check = excluded.phone_line_health_check,
               transcript_analysis = excluded.transcript_analysis, cost_tracking = excluded.cost_tracking,
               export_functionality = excluded.export_functionality,
               max_concurrent_calls = excluded.max_concurrent_calls,
               max_campaign_size = excluded.max_campaign_size,
               max_file_upload_size = excluded.max_file_upload_size,
               cron_cadence_seconds = excluded.cron_cadence_seconds, version = settings.version + 1,
               updated_at = now()
         WHERE settings.version = $11
        RETURNING true
        """,
        org_id,
        settings.strict_batching,
        settings.phone_line_health_check,
        settings.transcript_analysis,
        settings.cost_tracking,
        settings.export_functionality,
        settings.max_concurrent_calls,
        settings.max_campaign_size,
        settings.max_file_upload_size,
        settings.cron_cadence_seconds,
        version,
    )
    return saved or False
