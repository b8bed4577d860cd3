"""Rules of retry as a column of their campaign."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.campaigns.domain.retries import Daypart, Outcome, RetryRule


def to_json(rules: Sequence[RetryRule]) -> list[dict[str, Any]]:
    return [
        {
            "outcome": rule.outcome.value,
            "max_retries": rule.max_retries,
            "delay_seconds": rule.delay_seconds,
            "dayparts": [part.value for part in rule.dayparts],
            "another_daypart": rule.another_daypart,
        }
        for rule in rules
    ]


def from_json(rules: Sequence[Mapping[str, Any]]) -> tuple[RetryRule, ...]:
    return tuple(
        RetryRule(
            outcome=Outcome(rule["outcome"]),
            max_retries=rule["max_retries"],
            delay_seconds=rule["delay_seconds"],
            dayparts=tuple(map(Daypart, rule["dayparts"])),
            another_daypart=rule["another_daypart"],
        )
        for rule in rules
    )
