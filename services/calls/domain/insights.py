"""What an analysis says about a conversation beyond its summary. Nobody but the team that configured the
assistant decides whether, and under which keys: English and French ones are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.calls.domain.messages import mapping, text
from services.calls.domain.text import folded

_ITEMS_MAX: Final = 50
_LENGTH_MAX: Final = 2_000
_SENTIMENT: Final = frozenset({"sentiment", "customer sentiment", "customersentiment", "user sentiment"})
_TOPICS: Final = frozenset(
    {"key topics", "keytopics", "topics", "main topics", "sujets", "sujets cles", "themes", "mots cles"}
)
_STEPS: Final = frozenset(
    {"next steps", "nextsteps", "action items", "actionitems", "follow ups", "prochaines etapes", "suivis"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Insights:
    """Empty where nothing was told."""

    sentiment: str = ""
    key_topics: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()


def insights_of(analysis: Mapping[str, Any] | None) -> Insights:
    """What stands in the analysis itself counts before what stands in its structured data."""
    told = analysis or {}
    documents = (told, mapping(told.get("structuredData")))
    sentiment = _items(_value(documents, _SENTIMENT))
    return Insights(
        sentiment=sentiment[0] if sentiment else "",
        key_topics=_items(_value(documents, _TOPICS)),
        next_steps=_items(_value(documents, _STEPS)),
    )


def _value(documents: Sequence[Mapping[str, Any]], keys: frozenset[str]) -> Any:
    for document in documents:
        for key in sorted(document):
            if folded(key) in keys and document[key] not in (None, "", [], {}):
                return document[key]
    return None


def _items(value: Any) -> tuple[str, ...]:
    """A list, or text with an item per line; an object by the first text in it."""
    if isinstance(value, str):
        value = value.splitlines()
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return ()
    found = (_item(item) for item in value[:_ITEMS_MAX])
    return tuple(item for item in found if item)


def _item(value: Any) -> str:
    if isinstance(value, dict):
        value = next((member for member in value.values() if isinstance(member, str)), "")
    return text(value, length_max=_LENGTH_MAX).lstrip("-*• ").strip()
