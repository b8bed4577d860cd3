"""Judging by keywords and value, with the seeded pack."""

from datetime import UTC, datetime

import pytest

from services.calls.domain.call import Priority
from services.calls.domain.priority import UNJUDGED, Judgement, Request, judge
from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.rules import PriorityRule, RuleBook
from services.calls.domain.text import contains_any, folded, key_of

PACK = RULE_PACKS["drain_cleaning_quebec"]
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def judged(rules: RuleBook, text: str, *, value: float) -> Judgement:
    return judge(rules, Request(description=text, value=value, at=NOW))


@pytest.mark.parametrize(
    ("text", "value", "priority", "reason", "sla_seconds"),
    [
        ("Il y a une inondation", 0, "P1", "urgence_immediate", 0),
        ("REFOULEMENT D'ÉGOUT", 0, "P1", "urgence_immediate", 0),
        ("C'est urgence!", 0, "P1", "urgence_immediate", 0),
        ("deux urgences ce matin", 0, "P1", "urgence_immediate", 0),
        ("un debordement sans accent", 0, "P1", "urgence_immediate", 0),
        ("un DE\u0301BORDEMENT décomposé", 0, "P1", "urgence_immediate", 0),
        ("j'ai de l'eau dans le sous sol", 0, "P1", "urgence_immediate", 0),
        ("l'eau  dans\nle SOUS-SOL", 0, "P1", "urgence_immediate", 0),
        ("an Emergency!", 9000, "P1", "urgence_immediate", 0),
        ("je travaille pour la municipalité", 0, "P2", "municipal", 120),
        ("la Ville de Laval", 0, "P2", "municipal", 120),
        ("municipal works", 0, "P2", "municipal", 120),
        ("City of Montreal", 5000, "P2", "municipal", 120),
        ("un gainage complet", 0, "P3", "high_value", 3600),
        ("pipe RELINING", 0, "P3", "high_value", 3600),
        ("mon drain francais", 0, "P3", "high_value", 3600),
        ("rien de spécial", 3000, "P3", "high_value", 3600),
        ("rien de spécial", 2999.99, "P4", "standard", 1800),
        ("un évier lent", 0, "P4", "standard", 1800),
        ("", 0, "P4", "standard", 1800),
        # A keyword inside a word is not one.
        ("une résurgence", 0, "P4", "standard", 1800),
    ],
)
def test_the_seeded_pack(text: str, value: float, priority: str, reason: str, sla_seconds: int) -> None:
    """RU-4: priorities of the pack, in the words of callers."""
    judgement = judged(PACK, text, value=value)

    assert (priority, reason, sla_seconds) == (judgement.priority, judgement.reason, judgement.sla_seconds)


def test_the_first_rule_that_matches_decides() -> None:
    rules = RuleBook(
        priority=[
            PriorityRule(
                name="a", position=1, keywords=("leak",), priority=Priority.P2, reason="a", sla_seconds=1
            ),
            PriorityRule(name="b", position=2, priority=Priority.P3, reason="b", sla_seconds=2),
        ]
    )

    assert "a" == judged(rules, "a leak", value=0).reason
    assert "b" == judged(rules, "else", value=0).reason


def test_without_a_matching_rule_nothing_is_urgent() -> None:
    assert UNJUDGED == judged(RuleBook(), "inondation", value=10_000)


def test_a_rule_with_a_value_alone_does_not_match_by_text() -> None:
    rules = RuleBook(
        priority=[
            PriorityRule(name="v", position=1, value_min=10, priority=Priority.P1, reason="v", sla_seconds=0)
        ]
    )

    assert UNJUDGED == judged(rules, "anything", value=9)
    assert "v" == judged(rules, "anything", value=10).reason


def test_folding() -> None:
    assert "refoulement d egout au sous sol" == folded("Refoulement d'ÉGOUT, au sous-sol!")
    assert "coeur" == folded("Cœur")
    assert "drain_francais" == key_of(" Drain-Français ")
    assert not contains_any("anything", ["", "!!"])
