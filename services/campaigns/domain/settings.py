"""What an organization decides about its campaigns: features it has switched off, and limits of its own."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.campaigns.domain.campaigns import Mode
from services.campaigns.domain.contacts_file import BYTES_MAX
from services.campaigns.errors import CampaignLimitExceeded, FeatureOff

CAP_MAX: Final = 50
CAMPAIGN_SIZE_DEFAULT: Final = 10_000
CADENCE_SECONDS_DEFAULT: Final = 60


class Feature(StrEnum):
    """By the names that callers know."""

    STRICT_BATCHING = "strictBatching"
    EXPORT_FUNCTIONALITY = "exportFunctionality"


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSettings:
    strict_batching: bool = True
    phone_line_health_check: bool = True
    transcript_analysis: bool = True
    cost_tracking: bool = True
    export_functionality: bool = True
    # None is the service's own default.
    max_concurrent_calls: int | None = None
    max_campaign_size: int | None = None
    max_file_upload_size: int | None = None
    cron_cadence_seconds: int | None = None
    # 0 if nothing was ever decided.
    version: int = 0
    updated_at: datetime | None = None

    @property
    def cap_max(self) -> int:
        return self.max_concurrent_calls or CAP_MAX

    @property
    def campaign_size_max(self) -> int:
        return self.max_campaign_size or CAMPAIGN_SIZE_DEFAULT

    @property
    def file_bytes_max(self) -> int:
        return self.max_file_upload_size or BYTES_MAX

    @property
    def cadence_seconds(self) -> int:
        return self.cron_cadence_seconds or CADENCE_SECONDS_DEFAULT

    def check_mode(self, mode: Mode) -> None:
        """Raises FeatureOff."""
        if mode is Mode.BATCH and not self.strict_batching:
            raise feature_off(Feature.STRICT_BATCHING)

    def check_export(self) -> None:
        """Raises FeatureOff."""
        if not self.export_functionality:
            raise feature_off(Feature.EXPORT_FUNCTIONALITY)

    def check_cap(self, cap: int) -> None:
        """Raises CampaignLimitExceeded."""
        if cap > self.cap_max:
            raise CampaignLimitExceeded(
                f"The organization allows {self.cap_max} calls at a time per campaign; the cap is {cap}.",
                metadata={"limit_name": "maxConcurrentCalls", "limit": str(self.cap_max)},
            )

    def check_size(self, contacts: int) -> None:
        """Raises CampaignLimitExceeded."""
        if contacts > self.campaign_size_max:
            raise CampaignLimitExceeded(
                f"The organization allows {self.campaign_size_max} contacts per campaign; it would have "
                f"{contacts}. Nothing was kept.",
                metadata={"limit_name": "maxCampaignSize", "limit": str(self.campaign_size_max)},
            )


def feature_off(feature: Feature) -> FeatureOff:
    return FeatureOff(
        f"The organization has switched off {feature.value}; its campaign settings say so.",
        metadata={"feature": feature.value},
    )
