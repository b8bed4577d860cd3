"""When somebody who was not reached is tried again."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import time_zones
from services.campaigns.domain.recipient_zones import zones_of
from services.campaigns.domain.retries import (
    Daypart,
    History,
    Outcome,
    RetryPolicy,
    RetryRule,
    daypart,
    retry_at,
)
from services.campaigns.store import retry_rules

MONTREAL = time_zones.zone("America/Toronto")
HONOLULU = ZoneInfo("Pacific/Honolulu")
PARIS = ZoneInfo("Europe/Paris")
ZONES = [MONTREAL, HONOLULU, PARIS, ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")]
# A Monday, 10 o'clock in Montreal.
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def history(
    *,
    attempts: int = 1,
    ended_so: int = 1,
    called_at: datetime = NOW,
    zones: tuple[ZoneInfo, ...] = (MONTREAL,),
) -> History:
    return History(attempts=attempts, ended_so=ended_so, called_at=called_at, zones=zones)


def policy(*rules: RetryRule, max_attempts: int = 5, delay_seconds: int = 3600) -> RetryPolicy:
    return RetryPolicy(max_attempts=max_attempts, delay_seconds=delay_seconds, rules=rules)


def test_each_outcome_has_its_own_delay_and_number_of_retries() -> None:
    """CA-4: a rule per outcome; what it leaves out is the campaign's."""
    rules = policy(
        RetryRule(outcome=Outcome.BUSY, delay_seconds=300, max_retries=2),
        RetryRule(outcome=Outcome.VOICEMAIL, max_retries=0),
        RetryRule(outcome=Outcome.CALL_SCREENING),
    )

    assert NOW + timedelta(minutes=5) == retry_at(rules, "BUSY", history(ended_so=2), now=NOW)
    assert retry_at(rules, "BUSY", history(ended_so=3), now=NOW) is None
    assert retry_at(rules, "VOICEMAIL", history(), now=NOW) is None
    assert NOW + timedelta(hours=1) == retry_at(rules, "CALL_SCREENING", history(), now=NOW)
    assert NOW + timedelta(hours=1) == retry_at(rules, "NO_ANSWER", history(ended_so=4), now=NOW)


@pytest.mark.parametrize("outcome", ["NO_ANSWER", "BUSY", "VOICEMAIL", "FAILED"])
def test_without_rules_the_campaigns_delay_and_number_count(outcome: str) -> None:
    """CA-4: max_attempts and retry_delay_seconds are the default of every outcome."""
    assert NOW + timedelta(hours=1) == retry_at(policy(), outcome, history(), now=NOW)
    assert retry_at(policy(max_attempts=1), outcome, history(), now=NOW) is None


@pytest.mark.parametrize("outcome", ["HUMAN", "CALL_SCREENING", "UNKNOWN", "CANCELED", "TIMEOUT", ""])
def test_who_was_perhaps_reached_is_not_tried_again_by_itself(outcome: str) -> None:
    assert retry_at(policy(), outcome, history(), now=NOW) is None


@pytest.mark.parametrize("outcome", ["HUMAN", "CANCELED", "TIMEOUT"])
def test_no_rule_can_name_somebody_who_was_reached(outcome: str) -> None:
    assert outcome not in Outcome.__members__


def test_another_part_of_the_day_begins_on_the_recipients_clock() -> None:
    """CA-4: called in the morning, tried again at noon there."""
    rules = policy(RetryRule(outcome=Outcome.NO_ANSWER, delay_seconds=60, another_daypart=True))

    afternoon = datetime(2026, 3, 2, 12, tzinfo=MONTREAL)
    assert afternoon == retry_at(rules, "NO_ANSWER", history(), now=NOW)
    # The same moment is the afternoon in Paris already, so that it is the evening there.
    evening = datetime(2026, 3, 2, 17, tzinfo=PARIS)
    assert evening == retry_at(rules, "NO_ANSWER", history(zones=(PARIS,)), now=NOW)


def test_a_wanted_part_of_the_day_is_waited_for_over_night() -> None:
    """CA-4: dayparts in the recipient's zone."""
    rules = policy(RetryRule(outcome=Outcome.BUSY, delay_seconds=7200, dayparts=(Daypart.MORNING,)))

    assert datetime(2026, 3, 3, 8, tzinfo=MONTREAL) == retry_at(rules, "BUSY", history(), now=NOW)
    early = NOW - timedelta(hours=2)
    assert NOW == retry_at(rules, "BUSY", history(), now=early)


def test_a_number_of_many_zones_waits_for_a_moment_that_suits_them_all() -> None:
    rules = policy(RetryRule(outcome=Outcome.BUSY, delay_seconds=0, dayparts=(Daypart.AFTERNOON,)))
    both = history(zones=(MONTREAL, ZoneInfo("America/Vancouver")))
    never = history(zones=(MONTREAL, ZoneInfo("Asia/Kolkata")))

    assert datetime(2026, 3, 2, 15, tzinfo=MONTREAL) == retry_at(rules, "BUSY", both, now=NOW)
    # Nothing suits, and nothing is known: the delay alone.
    assert NOW == retry_at(rules, "BUSY", never, now=NOW)
    assert NOW == retry_at(rules, "BUSY", history(zones=()), now=NOW)


def test_the_zones_of_numbers() -> None:
    assert (MONTREAL,) == zones_of("+15145550101")
    assert len(zones_of("+18005550101")) > 10
    assert () == zones_of("+870123456789")
    # What the file told of the person outweighs the number.
    assert (time_zones.zone("Europe/Paris"),) == zones_of("+15145550101", time_zone="Europe/Paris")


_rules = st.lists(
    st.builds(
        RetryRule,
        outcome=st.sampled_from(Outcome),
        max_retries=st.none() | st.integers(0, 9),
        delay_seconds=st.none() | st.integers(0, 3 * 86400),
        dayparts=st.lists(st.sampled_from(Daypart), unique=True, max_size=3).map(tuple),
        another_daypart=st.booleans(),
    ),
    unique_by=lambda rule: rule.outcome,
    max_size=6,
).map(tuple)
_moments = st.integers(0, 2 * 365 * 86400).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(
    rules=_rules,
    outcome=st.sampled_from([*Outcome.__members__, "HUMAN", "TIMEOUT", ""]),
    attempts=st.integers(1, 10),
    ended_so=st.integers(1, 10),
    budget=st.integers(1, 10),
    zones=st.lists(st.sampled_from(ZONES), max_size=3).map(tuple),
    called_at=_moments,
    waited=st.integers(0, 86400),
)
def test_no_rule_calls_more_often_sooner_or_at_another_time_than_it_says(
    *,
    rules: tuple[RetryRule, ...],
    outcome: str,
    attempts: int,
    ended_so: int,
    budget: int,
    zones: tuple[ZoneInfo, ...],
    called_at: datetime,
    waited: int,
) -> None:
    """CA-4: the budget, the delay and the part of the day hold for any rules, zones and clock changes."""
    now = called_at + timedelta(seconds=waited)
    wanted = policy(*rules, max_attempts=budget, delay_seconds=60)
    known = history(attempts=attempts, ended_so=ended_so, called_at=called_at, zones=zones)
    at = retry_at(wanted, outcome, known, now=now)
    rule = next((one for one in rules if one.outcome == outcome), None)

    if at is None:
        assert attempts >= budget or rule is None or ended_so > (rule.max_retries or 0)
        return
    assert attempts < budget
    delay = 60 if rule is None or rule.delay_seconds is None else rule.delay_seconds
    assert at >= now + timedelta(seconds=delay)
    if rule is not None and rule.max_retries is not None:
        assert ended_so <= rule.max_retries
    if rule is not None and len(set(zones)) == 1:
        [zone] = set(zones)
        if rule.dayparts:
            assert daypart(at, zone) in rule.dayparts
        if rule.another_daypart and set(rule.dayparts or Daypart) - {daypart(called_at, zone)}:
            assert daypart(called_at, zone) is None or daypart(at, zone) != daypart(called_at, zone)
        # Nobody is put off for longer than to the same part of another day.
        assert at <= now + timedelta(seconds=delay, days=2)


@given(rules=_rules)
def test_rules_are_stored_as_they_are(rules: tuple[RetryRule, ...]) -> None:
    assert rules == retry_rules.from_json(retry_rules.to_json(rules))
