"""What an organization and a campaign decide about whom may be called when. The organization's policy holds
for all its campaigns; a campaign's own can only narrow it."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.campaigns.domain.budgets import Budget
from services.campaigns.domain.calling_hours import CallingHours
from services.campaigns.domain.contactability import FrequencyCap, Rules

ANY_TIME = CallingHours(())
# Of an assistant that does not tell.
CALL_SECONDS_MAX_DEFAULT: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPolicy:
    """Hours without a window are no rule. `version` 0: nobody ever decided anything."""

    consent_required: bool = False
    calling_hours: CallingHours = ANY_TIME
    # For all calls of the campaign together.
    budget: Budget | None = None
    # None leaves it to the organization.
    call_cost_max_usd: Decimal | None = None
    version: int = 0
    updated_at: datetime | None = None

    @property
    def etag(self) -> str:
        return str(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An organization's; as `CampaignPolicy`."""

    consent_required: bool = False
    calling_hours: CallingHours = ANY_TIME
    frequency_cap: FrequencyCap | None = None
    budget: Budget | None = None
    # None leaves it to the deployment.
    call_cost_max_usd: Decimal | None = None
    version: int = 0
    updated_at: datetime | None = None

    @property
    def etag(self) -> str:
        return str(self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """Of an organization or a campaign. While it is engaged nobody is called, whatever else is said."""

    engaged: bool
    reason: str = ""
    engaged_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What decides before anybody looks at a contact."""

    policy: Policy = field(default_factory=Policy)
    campaign_policy: CampaignPolicy = field(default_factory=CampaignPolicy)
    killed: bool = False
    # A hold is stored; it may be over.
    held: bool = False
    # After so long the provider ends a call.
    call_seconds_max: int = CALL_SECONDS_MAX_DEFAULT

    def rules(self, *, max_attempts: int) -> Rules:
        hours = (self.policy.calling_hours, self.campaign_policy.calling_hours)
        return Rules(
            max_attempts=max_attempts,
            consent_required=self.policy.consent_required or self.campaign_policy.consent_required,
            hours=tuple(one for one in hours if one.weekly),
            frequency_cap=self.policy.frequency_cap,
        )

    @property
    def counts_across_campaigns(self) -> bool:
        """Whether dials of the organization's campaigns must be decided one after the other."""
        return self.policy.frequency_cap is not None or self.policy.budget is not None

    def call_cost_max_usd(self, *, minute_usd: Decimal) -> Decimal:
        """What to reserve for a call: what a policy says, else what as many minutes cost as it may last."""
        told = self.campaign_policy.call_cost_max_usd or self.policy.call_cost_max_usd
        return told or minute_usd * math.ceil(self.call_seconds_max / 60)
