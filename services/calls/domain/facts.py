"""What a provider told about a call, as values that can be joined in any order.

A fact is `[authority, order, value]`. Of two facts about the same field the greater one stays: first by
authority (a report on the ended call knows better than the snapshot of its creation), then by order (mostly
the provider's time of telling; its negative where the first telling counts), then by value, so that no tie
is left. Joining is commutative, associative and idempotent: every order and every repetition of the same
webhooks ends in the same facts.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

# [authority, order, value], as it is stored in jsonb.
Fact = list[Any]
Facts = Mapping[str, Fact]

# Who tells, from hearsay to the one who knows.
SNAPSHOT: Final = 1
EVENT: Final = 2
REPORT: Final = 3

_encoder = msgspec.json.Encoder(order="sorted", decimal_format="string")


def join(left: Facts, right: Facts) -> dict[str, Fact]:
    joined = dict(left)
    for field, fact in right.items():
        present = joined.get(field)
        if present is None or _is_greater(fact, present):
            joined[field] = fact
    return joined


def are_news(told: Facts, *, known: Facts) -> bool:
    """Whether joining would change anything."""
    for field, fact in told.items():
        present = known.get(field)
        if present is None or _is_greater(fact, present):
            return True
    return False


def value_of(facts: Facts, field: str) -> Any:
    """None if nothing is known."""
    fact = facts.get(field)
    return fact[2] if fact else None


def changed_fields(before: Facts, after: Facts) -> frozenset[str]:
    return frozenset(field for field, fact in after.items() if before.get(field) != fact)


def _is_greater(fact: Fact, than: Fact) -> bool:
    if fact[0] != than[0]:
        return bool(fact[0] > than[0])
    if fact[1] != than[1]:
        return bool(fact[1] > than[1])
    # Values of all kinds are compared by their JSON, which is seldom needed.
    return fact[2] != than[2] and _encoder.encode(fact[2]) > _encoder.encode(than[2])
