"""Rules of retry between the protos and the domain."""

from collections.abc import Sequence

from callplane.campaigns.v2 import campaigns_pb2
from services.campaigns.domain.retries import Daypart, Outcome, RetryRule

_Rule = campaigns_pb2.RetryRule


def from_proto(policy: campaigns_pb2.RetryPolicy) -> tuple[RetryRule, ...]:
    return tuple(
        RetryRule(
            outcome=Outcome(_Rule.Outcome.Name(rule.outcome)),
            max_retries=rule.max_retries if rule.HasField("max_retries") else None,
            delay_seconds=rule.delay_seconds if rule.HasField("delay_seconds") else None,
            dayparts=tuple(Daypart(_Rule.Daypart.Name(part)) for part in rule.dayparts),
            another_daypart=rule.another_daypart,
        )
        for rule in policy.rules
    )


def to_proto(rules: Sequence[RetryRule]) -> campaigns_pb2.RetryPolicy:
    return campaigns_pb2.RetryPolicy(
        rules=[
            _Rule(
                outcome=_Rule.Outcome.Value(rule.outcome.value),
                max_retries=rule.max_retries,
                delay_seconds=rule.delay_seconds,
                dayparts=[_Rule.Daypart.Value(part.value) for part in rule.dayparts],
                another_daypart=rule.another_daypart,
            )
            for rule in rules
        ]
    )
