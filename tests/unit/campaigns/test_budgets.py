"""Budgets: when there is room for another call, and what becomes of a reservation."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.campaigns.domain.attempts import State
from services.campaigns.domain.budgets import Account, Budget, Hold, Spending, TrueUp, hold, true_up
from tests.unit.campaigns.test_attempts import intent

NOW = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def account(limit: str | None, *, spent: str = "0", reserved: str = "0") -> Account:
    budget = Budget(limit_usd=Decimal(limit)) if limit else None
    return Account(budget=budget, spending=Spending(reserved_usd=Decimal(reserved), spent_usd=Decimal(spent)))


@pytest.mark.parametrize(
    ("campaign", "organization", "expected"),
    [
        (account(None), account(None), None),
        (account(None, spent="1000000"), account(None, spent="1000000"), None),
        (account("3"), account("3"), None),
        (account("3", spent="1", reserved="1.5"), account(None), None),
        (account("3", spent="1", reserved="1.5001"), account(None), Hold(reason="CAMPAIGN_BUDGET")),
        (
            account(None),
            account("3", spent="2.6"),
            Hold(reason="ORGANIZATION_BUDGET", until=datetime(2026, 3, 3, tzinfo=UTC)),
        ),
        (account("3", spent="3"), account("3", spent="3"), Hold(reason="CAMPAIGN_BUDGET")),
    ],
)
def test_a_call_has_to_fit_into_both_budgets(
    campaign: Account, organization: Account, expected: Hold | None
) -> None:
    """CA-5: campaign and organization budget."""
    found = hold(campaign=campaign, organization=organization, cost_usd=Decimal("0.5"), now=NOW)

    assert expected == found


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"state": State.PLACED}, None),
        ({"state": State.ENDED, "call_status": "ENDED"}, None),
        ({"state": State.ENDED, "cost_usd": Decimal("0.1")}, TrueUp.SETTLED),
        # A call that cost nothing is known to have cost nothing.
        ({"state": State.ENDED, "cost_usd": Decimal(0)}, TrueUp.SETTLED),
        ({"state": State.REFUSED, "reason": "INVALID_NUMBER"}, TrueUp.RELEASED),
        ({"state": State.REFUSED, "reason": "NO_LINE_FREE", "counts": False}, TrueUp.RELEASED),
        # Looked for and not found; that proves nothing.
        ({"state": State.REFUSED, "reason": "NOT_PLACED"}, None),
    ],
)
def test_only_what_is_known_takes_the_place_of_a_reservation(
    facts: dict[str, object], expected: TrueUp | None
) -> None:
    """CA-5: unknown cost is null, never 0."""
    assert expected is true_up(intent(**facts))
