"""Figures and settings as decisions: what counts come to, and what limits refuse."""

from decimal import Decimal

import pytest

from libs.errors import ServiceError
from services.campaigns.domain import figures
from services.campaigns.domain.campaigns import Mode
from services.campaigns.domain.figures import Figure
from services.campaigns.domain.settings import CampaignSettings

TOLD = {
    "contact:PENDING": Figure(60),
    "contact:DONE": Figure(30),
    "contact:SKIPPED": Figure(10),
    "status:ENDED": Figure(50),
    "status:FAILED": Figure(0),
    "status:": Figure(2),
    "success:true": Figure(9),
    "success:false": Figure(3),
    "cost": Figure(40, Decimal("10.0002")),
    "duration": Figure(40, Decimal(1200)),
    "held": Figure(80, Decimal(2400)),
}


def test_counts_become_figures() -> None:
    """CA-6: by status, success rate, average cost and duration, total cost."""
    stats = figures.stats(TOLD, active=2)

    assert (100, 60, 10, 52, 2) == (
        stats.contacts,
        stats.pending,
        stats.skipped,
        stats.attempts,
        stats.active,
    )
    assert ({"ENDED": 50}, 9, 12, 0.75) == (
        stats.by_status,
        stats.successful,
        stats.evaluated,
        stats.success_rate,
    )
    assert (Decimal("0.2500"), Decimal("10.0002"), 30.0) == (
        stats.average_cost_usd,
        stats.total_cost_usd,
        stats.average_duration_seconds,
    )


@pytest.mark.parametrize(("concurrency", "seconds"), [(1, 3600.0), (8, 450.0), (100, 60.0)])
def test_the_time_left_follows_from_attempts_so_far(concurrency: int, seconds: float) -> None:
    """CA-6: 60 contacts, two attempts each as so far, thirty seconds per attempt, over the slots."""
    stats = figures.stats(TOLD, active=0, concurrency=concurrency, under_way=True)

    assert seconds == stats.estimated_seconds_left


def test_nothing_is_told_that_is_not_known() -> None:
    stats = figures.stats({"contact:PENDING": Figure(3)}, active=0, under_way=True)

    assert (None, None, None, None, None) == (
        stats.success_rate,
        stats.average_cost_usd,
        stats.total_cost_usd,
        stats.average_duration_seconds,
        stats.estimated_seconds_left,
    )
    assert figures.stats(TOLD, active=0).estimated_seconds_left is None


def reason_of(check: object, *args: object) -> str:
    try:
        check(*args)  # type: ignore[operator]
    except ServiceError as exc:
        return exc.reason
    return ""


def test_limits_and_features_refuse_what_goes_beyond_them() -> None:
    """CA-8: the defaults allow what the service allows, an organization's own less or more."""
    default = CampaignSettings()
    strict = CampaignSettings(
        max_concurrent_calls=5, max_campaign_size=10, strict_batching=False, export_functionality=False
    )

    assert (50, 10_000, 10_485_760, 60) == (
        default.cap_max,
        default.campaign_size_max,
        default.file_bytes_max,
        default.cadence_seconds,
    )
    assert ["", "", "", "", ""] == [
        reason_of(default.check_cap, 50),
        reason_of(default.check_size, 10_000),
        reason_of(default.check_mode, Mode.BATCH),
        reason_of(default.check_export),
        reason_of(strict.check_mode, Mode.CONTINUOUS),
    ]
    assert ["CAMPAIGN_LIMIT_EXCEEDED"] * 3 + ["FEATURE_OFF"] * 2 == [
        reason_of(strict.check_cap, 6),
        reason_of(strict.check_size, 11),
        reason_of(default.check_size, 10_001),
        reason_of(strict.check_mode, Mode.BATCH),
        reason_of(strict.check_export),
    ]
