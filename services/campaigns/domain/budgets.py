"""What calls may cost. Before a dial the most that it may cost is reserved; when its cost is known that takes
the reservation's place. A cost that never comes stays reserved: unknown is not nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.campaigns.domain.attempts import Attempt, State

CAMPAIGN_BUDGET: Final = "CAMPAIGN_BUDGET"
ORGANIZATION_BUDGET: Final = "ORGANIZATION_BUDGET"

# Nothing in the record proves that such a call was not made after all.
_NOT_CERTAIN: Final = frozenset({"NOT_PLACED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Over so many days of UTC, the present one included; None for all time."""

    limit_usd: Decimal
    period_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a budget is used up by: calls whose cost is known, and reservations for all others."""

    reserved_usd: Decimal = Decimal(0)
    spent_usd: Decimal = Decimal(0)

    @property
    def total_usd(self) -> Decimal:
        return self.reserved_usd + self.spent_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """Calls that are over and whose cost is not known, and what stays reserved for them."""

    calls: int = 0
    reserved_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`budget` None: no limit."""

    budget: Budget | None = None
    spending: Spending = Spending()

    def has_room_for(self, cost_usd: Decimal) -> bool:
        return self.budget is None or self.spending.total_usd + cost_usd <= self.budget.limit_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a campaign as a whole does not dial. `until` None: until somebody or a call's cost changes it."""

    reason: str
    until: datetime | None = None


def hold(*, campaign: Account, organization: Account, cost_usd: Decimal, now: datetime) -> Hold | None:
    """None if another call may be paid for."""
    if not campaign.has_room_for(cost_usd):
        return Hold(reason=CAMPAIGN_BUDGET)
    if not organization.has_room_for(cost_usd):
        return Hold(reason=ORGANIZATION_BUDGET, until=_next_day(now))
    return None


def _next_day(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), tzinfo=UTC)


class TrueUp(StrEnum):
    SETTLED = "SETTLED"
    RELEASED = "RELEASED"


def true_up(attempt: Attempt) -> TrueUp | None:
    """What becomes of an attempt's reservation; None leaves it as it is."""
    if attempt.cost_usd is not None:
        return TrueUp.SETTLED
    if attempt.state is State.REFUSED and attempt.reason not in _NOT_CERTAIN:
        return TrueUp.RELEASED
    return None
