"""What an update asks for: the fields that were sent, and those to be emptied."""

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import Message

from callplane.calls.v2 import calls_pb2
from libs.rpc import convert
from services.calls.domain.business_hours import Language
from services.calls.domain.call import Priority

_NOTHING: Final[dict[str, tuple[str, Any]]] = {
    "keywords": ("keywords", ()),
    "valueMin": ("value_min", None),
    "fields": ("fields", ()),
    "escalation": ("escalation", ()),
    "effectiveFrom": ("effective_from", None),
    "effectiveUntil": ("effective_until", None),
    "priceBase": ("price_base", None),
}


def plain(request: Message, *names: str) -> dict[str, Any]:
    """Fields that are the same in the rule."""
    return {name: getattr(request, name) for name in names if request.HasField(name)}


def moments(request: Message, *names: str) -> dict[str, Any]:
    return {name: convert.moment(getattr(request, name)) for name in names if request.HasField(name)}


def cleared(names: Iterable[str]) -> dict[str, Any]:
    return dict(_NOTHING[name] for name in names)


def priority(value: calls_pb2.Call.Priority.ValueType) -> Priority:
    return Priority(calls_pb2.Call.Priority.Name(value))


def language(word: str) -> Language | None:
    return Language(word) if word else None
