"""What makes a priority rule match."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.errors import InvalidArgument
from services.calls.domain.call import Priority
from services.calls.domain.priority import Request, judge
from services.calls.domain.rules import PriorityRule, RuleBook, TextField

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule(**fields: Any) -> PriorityRule:
    defaults = {"name": "r", "position": 1, "priority": Priority.P1, "reason": "matched", "sla_seconds": 5}
    return PriorityRule(**{**defaults, **fields})


def matches(one: PriorityRule, **told: Any) -> bool:
    request = Request(**{"at": NOW, **told})
    return judge(RuleBook(priority=[one]), request).reason == "matched"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"refoul\w+", "Un REFOULÉ d'égout", True),
        (r"débord", "ca DEBORDE", True),
        (r"\bP-\d{3}\b", "dossier p-123.", True),
        (r"\bP-\d{3}\b", "dossier p-12", False),
        (r"^urgent", "c'est urgent", False),
        (r"eau|feu", "du FEU", True),
        (r"\$[0-9]+", "about $900", True),
    ],
)
def test_patterns_know_neither_case_nor_accents(pattern: str, text: str, expected: bool) -> None:
    """RU-1: a rule may match by a regular expression."""
    assert expected == matches(rule(pattern=pattern), description=text)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(.*a){20}$", r"([a-z]+)*\d"])
def test_no_pattern_takes_long_on_any_text(pattern: str) -> None:
    """RU-1: patterns that hold up other engines for ever."""
    evil = rule(pattern=pattern)
    evil.check()
    started = time.perf_counter()

    matches(evil, transcript="a" * 50_000 + "!")

    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("pattern", ["(", "[z-a]", r"(?=look)", r"(a)\1", "x{1000}{1000}", "a" * 201, "*"])
def test_patterns_that_cannot_be_used_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        rule(pattern=pattern).check()

    assert ["pattern"] == [violation.field for violation in refused.value.violations]


@pytest.mark.parametrize("field", list(TextField))
def test_words_are_looked_for_where_the_rule_says(field: TextField) -> None:
    """RU-1: description, summary and transcript can be chosen."""
    told = {name.lower(): "une inondation" if name is field else "rien" for name in TextField}

    for one in (rule(keywords=("inondation",), fields=(field,)), rule(pattern="inond", fields=(field,))):
        assert matches(one, **told)
        others = tuple(name for name in TextField if name is not field)
        assert not matches(rule(keywords=one.keywords, pattern=one.pattern, fields=others), **told)
    assert matches(rule(keywords=("inondation",)), **told)


def test_a_customer_type_narrows_a_rule_down() -> None:
    commercial = rule(customer_type="Commercial", keywords=("eau",))

    assert matches(commercial, description="eau", customer_type="commercial")
    assert not matches(commercial, description="eau", customer_type="residential")
    assert not matches(commercial, description="eau")
    assert matches(rule(customer_type="Commercial"), customer_type="COMMERCIAL")


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, True),
        (NOW, None, True),
        (NOW + HOUR, None, False),
        (None, NOW, False),
        (None, NOW + HOUR, True),
        (NOW - HOUR, NOW + HOUR, True),
    ],
)
def test_a_rule_counts_between_its_dates(
    since: datetime | None, until: datetime | None, expected: bool
) -> None:
    assert expected == matches(rule(effective_from=since, effective_until=until))


def test_dates_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        rule(effective_from=NOW, effective_until=NOW).check()


def test_the_result_tells_whom_to_tell_and_when() -> None:
    one = rule(escalation=("on call", "owner"), business_hours_only=True)

    found = judge(RuleBook(priority=[one]), Request(at=NOW))

    assert (("on call", "owner"), True, 5) == (found.escalation, found.business_hours_only, found.sla_seconds)
