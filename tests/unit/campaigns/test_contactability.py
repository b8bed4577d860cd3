"""The verdict on a contact: every reason, and which of several counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.campaigns.domain.calling_hours import CallingHours, Window
from services.campaigns.domain.contactability import (
    Decision,
    Facts,
    FrequencyCap,
    Rules,
    contactability,
    zones_of,
)
from services.campaigns.domain.dialing_policies import CampaignPolicy, Gate, Policy

# A Monday, 10:00 in Toronto and 7:00 in Vancouver.
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TORONTO = "+15145550101"
VANCOUVER = "+16045550101"
TOLL_FREE = "+18005550101"
NOWHERE = "+80012345678"
OUTSIDE = "OUTSIDE_CALLING_HOURS"
FIRST = "FIRST_ATTEMPT"
DAYTIME = CallingHours(tuple(Window(day=day, opens=480, closes=1260) for day in range(1, 8)))
NEVER_SHARED = CallingHours((Window(day=1, opens=480, closes=485),))
TWICE_A_DAY = FrequencyCap(contacts_max=2, period=timedelta(days=1))

CONTACT: dict[str, Any] = {
    "phone": TORONTO,
    "time_zone": "",
    "attempts": 0,
    "next_attempt_at": None,
    "suppressed": False,
    "consented": False,
}


def facts(**changes: Any) -> Facts:
    return Facts(**{**CONTACT, **changes})


def rules(**changes: Any) -> Rules:
    return Rules(**{"max_attempts": 2, **changes})


@pytest.mark.parametrize(
    ("known", "ruled", "decision", "reason", "until"),
    [
        ({}, {}, "DIAL", FIRST, None),
        ({"attempts": 1}, {}, "DIAL", "RETRY", None),
        ({"suppressed": True}, {}, "SKIP", "SUPPRESSED", None),
        ({"suppressed": True, "next_attempt_at": NOW + HOUR}, {}, "SKIP", "SUPPRESSED", None),
        ({"phone": "+19005550101"}, {}, "SKIP", "PREMIUM_NUMBER", None),
        ({"phone": "+882123456789"}, {}, "SKIP", "PREMIUM_NUMBER", None),
        ({"phone": "+33112"}, {}, "SKIP", "EMERGENCY_NUMBER", None),
        ({"phone": "+1411"}, {}, "SKIP", "SHORT_NUMBER", None),
        ({"phone": "+999123456789"}, {}, "SKIP", "INVALID_NUMBER", None),
        ({}, {"consent_required": True}, "SKIP", "NO_CONSENT", None),
        ({"consented": True}, {"consent_required": True}, "DIAL", FIRST, None),
        ({"consented": True, "suppressed": True}, {"consent_required": True}, "SKIP", "SUPPRESSED", None),
        ({"attempts": 2}, {}, "EXHAUSTED", "ATTEMPTS_USED_UP", None),
        ({"next_attempt_at": NOW + HOUR}, {}, "WAIT", "NOT_DUE", NOW + HOUR),
        ({"next_attempt_at": NOW}, {}, "DIAL", FIRST, None),
        ({}, {"hours": (DAYTIME,)}, "DIAL", FIRST, None),
        ({"phone": VANCOUVER}, {"hours": (DAYTIME,)}, "WAIT", OUTSIDE, NOW + HOUR),
        # What the file says of the person outweighs where the number comes from.
        (
            {"time_zone": "America/Vancouver"},
            {"hours": (DAYTIME,)},
            "WAIT",
            OUTSIDE,
            NOW + HOUR,
        ),
        (
            {"phone": VANCOUVER, "time_zone": "America/Toronto"},
            {"hours": (DAYTIME,)},
            "DIAL",
            "FIRST_ATTEMPT",
            None,
        ),
        ({"phone": NOWHERE}, {"hours": (DAYTIME,)}, "SKIP", "TIME_ZONE_UNKNOWN", None),
        (
            {"phone": NOWHERE, "time_zone": "Europe/Paris"},
            {"hours": (DAYTIME,)},
            "DIAL",
            "FIRST_ATTEMPT",
            None,
        ),
        ({"phone": NOWHERE}, {}, "DIAL", FIRST, None),
        # From Bermuda to Guam: never day for all of them.
        ({"phone": TOLL_FREE}, {"hours": (NEVER_SHARED,)}, "SKIP", "NEVER_IN_CALLING_HOURS", None),
        ({"contacted_at": (NOW - HOUR,)}, {"frequency_cap": TWICE_A_DAY}, "DIAL", FIRST, None),
        (
            {"contacted_at": (NOW - HOUR, NOW - 2 * HOUR)},
            {"frequency_cap": TWICE_A_DAY},
            "WAIT",
            "FREQUENCY_CAP",
            NOW + 22 * HOUR,
        ),
        # What is over last decides: the cap tomorrow at 4:00 there, the hours four hours later.
        (
            {"contacted_at": (NOW - HOUR, NOW - 6 * HOUR)},
            {"frequency_cap": TWICE_A_DAY, "hours": (DAYTIME,)},
            "WAIT",
            OUTSIDE,
            NOW + 22 * HOUR,
        ),
        (
            {"contacted_at": (NOW - HOUR, NOW - 2 * HOUR), "next_attempt_at": NOW + HOUR},
            {"frequency_cap": TWICE_A_DAY, "hours": (DAYTIME,)},
            "WAIT",
            "FREQUENCY_CAP",
            NOW + 22 * HOUR,
        ),
        (
            {"next_attempt_at": NOW + 12 * HOUR},
            {"hours": (DAYTIME,)},
            "WAIT",
            OUTSIDE,
            NOW + 22 * HOUR,
        ),
    ],
)
def test_every_reason_of_a_verdict(
    known: dict[str, Any], ruled: dict[str, Any], decision: str, reason: str, until: datetime | None
) -> None:
    """CA-5, B27: whether a contact may be called now, and why or why not."""
    verdict = contactability(facts(**known), rules(**ruled), now=NOW)

    assert (Decision(decision), reason, until) == (verdict.decision, verdict.reason, verdict.until)


def test_whoever_waits_may_be_called_when_the_waiting_is_over() -> None:
    ruled = rules(hours=(DAYTIME,), frequency_cap=TWICE_A_DAY)
    known = facts(phone=TOLL_FREE, contacted_at=(NOW - HOUR, NOW - 5 * HOUR))
    verdict = contactability(known, ruled, now=NOW)

    assert verdict.until is not None
    assert Decision.DIAL is contactability(facts(phone=TOLL_FREE), ruled, now=verdict.until).decision


def test_a_number_rings_in_every_zone_it_may_be_in() -> None:
    assert ("America/Toronto",) == zones_of(facts())
    assert {"America/Adak", "America/Anchorage"} == set(zones_of(facts(phone="+19075551234")))
    assert {"Pacific/Guam", "America/St_Johns"} <= set(zones_of(facts(phone=TOLL_FREE)))


def test_a_campaigns_policy_only_narrows_the_organizations() -> None:
    weekend = CallingHours((Window(day=6, opens=600, closes=720),))
    gate = Gate(
        policy=Policy(calling_hours=DAYTIME, frequency_cap=TWICE_A_DAY),
        campaign_policy=CampaignPolicy(calling_hours=weekend, consent_required=True),
    )

    combined = gate.rules(max_attempts=3)

    assert (DAYTIME, weekend) == combined.hours
    assert (True, TWICE_A_DAY, 3) == (
        combined.consent_required,
        combined.frequency_cap,
        combined.max_attempts,
    )
    assert Rules(max_attempts=3) == Gate().rules(max_attempts=3)


def test_what_a_call_may_cost_follows_from_how_long_it_may_last_unless_a_policy_says() -> None:
    minute = Decimal("0.30")

    assert Decimal("3.00") == Gate().call_cost_max_usd(minute_usd=minute)
    assert Decimal("18.30") == Gate(call_seconds_max=3601).call_cost_max_usd(minute_usd=minute)
    shared = Policy(call_cost_max_usd=Decimal(2))
    assert Decimal(2) == Gate(policy=shared).call_cost_max_usd(minute_usd=minute)
    own = CampaignPolicy(call_cost_max_usd=Decimal(5))
    assert Decimal(5) == Gate(policy=shared, campaign_policy=own).call_cost_max_usd(minute_usd=minute)
