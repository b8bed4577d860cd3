"""The pack for a drain-cleaning business in Quebec, held against the words of its price list."""

import json
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from services.calls.domain.rule_packs import RULE_PACKS
from services.calls.domain.tools import ToolUse, run

PACK = RULE_PACKS["drain_cleaning_quebec"]
# A Friday morning in Montreal.
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
SERVICES = (
    "debouchage", "camera_inspection", "racines_alesage", "gainage", "drain_francais",
    "installation_cheminee", "sous_dalle", "something else",
)  # fmt: skip
# By the work where the request is neither P1 nor P2, with the first day that is possible.
BY_WORK = {
    "drain_francais": ("1-3 weeks", "2026-11-27"),
    "gainage": ("2-4 weeks", "2026-12-04"),
    "camera_inspection": ("1-2 weeks", "2026-11-27"),
}
BY_PRIORITY = {
    "P1": ("same day or 24 h", "2026-11-20"),
    "P2": ("1-2 working days", "2026-11-23"),
}
OTHERWISE = ("3-5 working days", "2026-11-25")


def answer(tool: str, **arguments: Any) -> dict[str, Any]:
    result = run(ToolUse(id="call_1", name=tool, arguments=arguments), PACK, now=NOW)
    assert result.succeeded, result.text
    assert "\n" not in result.text
    answered: dict[str, Any] = json.loads(result.text)
    return answered


@pytest.mark.parametrize(("service", "priority"), list(product(SERVICES, ("", "P1", "P2", "P3", "P4"))))
def test_every_service_has_its_window_at_every_priority(service: str, priority: str) -> None:
    """RU-4: P1 and P2 go before the work; then drain français, gainage, inspection; else 3-5 working days."""
    found = answer("evaluateScheduling", serviceType=service, priority=priority)

    window, earliest = BY_PRIORITY.get(priority) or BY_WORK.get(service, OTHERWISE)
    assert (window, earliest, True) == (found["window"], found["earliestDate"], found["canSchedule"])
    assert found["message"]
    assert [] == found["requirements"]


@pytest.mark.parametrize("kinds", list(product((False, True), repeat=4)))
def test_the_most_urgent_word_decides(kinds: tuple[bool, bool, bool, bool]) -> None:
    """RU-4: P1 before P2 before P3, whatever else is said and however much it is worth; else P4."""
    flood, municipal, relining, dear = kinds
    said = [
        "un RELINING à faire" if relining else "un évier lent",
        "pour la Ville de Laval" if municipal else "pour moi",
        "il y a un DEBORDEMENT" if flood else "sans presse",
    ]

    found = answer("classifyPriority", description=", ".join(said), estimatedValue=3000 if dear else 2999)

    expected = (
        ("P1", "urgence_immediate", 0) if flood
        else ("P2", "municipal", 120) if municipal
        else ("P3", "high_value", 3600) if relining or dear
        else ("P4", "standard", 1800)
    )  # fmt: skip
    assert expected == (found["priority"], found["reason"], found["slaSeconds"])


@pytest.mark.parametrize("urgent", [True, "true"])
def test_an_urgent_request_of_no_known_priority_is_done_the_same_day(urgent: Any) -> None:
    found = answer("evaluateScheduling", serviceType="gainage", urgency=urgent)

    assert "same day or 24 h" == found["window"]


@pytest.mark.parametrize("spelling", ["Inspection par caméra", "inspection", "CAMERA-INSPECTION"])
def test_an_inspection_is_known_in_any_spelling(spelling: str) -> None:
    assert "1-2 weeks" == answer("evaluateScheduling", serviceType=spelling)["window"]


@pytest.mark.parametrize(
    "service",
    [
        "fosses septiques", "fosse septique", "vidange de ma FOSSE SEPTIQUE", "piscines", "piscine creusée",
        "gouttières", "nettoyage de gouttieres", "puisard", "puisards", "vacuum", "camion Vacuum",
    ],
)  # fmt: skip
def test_what_is_refused_is_refused_in_every_spelling(service: str) -> None:
    """RU-4: fosses septiques, piscines, gouttières, puisard and vacuum are refused, with words to say."""
    found = answer("validateServiceRequest", service=service)
    english = answer("validateServiceRequest", service=service, language="en")

    assert (False, "refused") == (found["accepted"], found["reason"])
    assert found["message"].startswith("Désolé, nous n'offrons pas")
    assert english["message"].startswith("Sorry, we do not take care of")
    scheduled = answer("evaluateScheduling", serviceType=service, priority="P1")
    assert (False, None, found["message"]) == (
        scheduled["canSchedule"],
        scheduled["earliestDate"],
        scheduled["message"],
    )


@pytest.mark.parametrize("service", SERVICES[:-1])
def test_what_has_a_price_is_accepted(service: str) -> None:
    found = answer("validateServiceRequest", service=service)

    assert (True, "accepted") == (found["accepted"], found["reason"])


def test_what_nobody_knows_is_assessed_first() -> None:
    found = answer("validateServiceRequest", service="un trou dans le mur")

    assert (True, "needs_assessment") == (found["accepted"], found["reason"])
    assert "évaluer" in found["message"]


def test_prices_are_told_in_the_language_that_is_asked_for() -> None:
    assert (
        "Le prix se situe entre 350 et 650 CAD."
        == answer("calculateQuote", serviceType="debouchage")["message"]
    )
    english = answer("calculateQuote", serviceType="debouchage", language="en")
    assert "The price is between 350 and 650 CAD." == english["message"]
