"""How an assistant's content differs between us and the provider, and what a write has to say.

The provider's PATCH replaces the fields that are sent and keeps the others, and it takes no null. So a field
is taken away by sending the value that the provider has without it; where there is none, it stays.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.campaigns.domain.assistant_config import UNSET_VALUES
from services.campaigns.domain.assistants import Content

ABSENT: Final = object()
NAME: Final = "name"


class ChangedBy(StrEnum):
    DIRECTORY = "DIRECTORY"
    PROVIDER = "PROVIDER"
    BOTH = "BOTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field, `model.temperature`, that directory and provider have differently; ABSENT where one has
    none."""

    field: str
    changed_by: ChangedBy
    last_written: Any
    directory: Any
    provider: Any


def differences(*, last_written: Content, directory: Content, provider: Content) -> list[Difference]:
    """Whose change each is, is told by what was last written. A name that only the directory has is what the
    assistant is called there, and no difference."""
    states = [_document(one) for one in (last_written, directory, provider)]
    own_name = (NAME, ChangedBy.DIRECTORY)
    return [one for one in _walk("", *states) if (one.field, one.changed_by) != own_name]


def is_foreign(difference: Difference) -> bool:
    """Whether somebody else than us changed it at the provider."""
    return difference.changed_by is not ChangedBy.DIRECTORY


def same(one: Content, other: Content) -> bool:
    return _document(one) == _document(other)


def patch(*, wanted: Content, present: Content) -> dict[str, Any]:
    """The fields of the configuration to send, so that `present` becomes `wanted`."""
    changed = {
        key: value
        for key, value in wanted.config.items()
        if value is not None and present.config.get(key, ABSENT) != value
    }
    unset = {
        key: UNSET_VALUES[key]
        for key in _shown(present.config)
        if wanted.config.get(key) is None and key in UNSET_VALUES
    }
    return {**changed, **unset}


def not_removable(*, wanted: Content, present: Content) -> list[str]:
    """Fields that the provider would keep though nobody wants them."""
    return sorted(
        key for key in _shown(present.config) if key not in wanted.config and key not in UNSET_VALUES
    )


def stored_config(told: Content, *, wanted: Content) -> dict[str, Any]:
    """The provider's answer without the values that stand for fields that are not wanted."""
    return {
        key: value for key, value in told.config.items() if key in wanted.config or not _is_unset(key, value)
    }


def _walk(path: str, written: Any, ours: Any, theirs: Any) -> Iterator[Difference]:
    if ours == theirs:
        return
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        known = written if isinstance(written, Mapping) else {}
        for key in sorted({*ours, *theirs}):
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(inner, known.get(key, ABSENT), ours.get(key, ABSENT), theirs.get(key, ABSENT))
        return
    changed_by = ChangedBy.BOTH
    if written == theirs:
        changed_by = ChangedBy.DIRECTORY
    elif written == ours:
        changed_by = ChangedBy.PROVIDER
    yield Difference(field=path, changed_by=changed_by, last_written=written, directory=ours, provider=theirs)


def _document(content: Content) -> dict[str, Any]:
    return {NAME: content.name, **_shown(content.config)}


def _shown(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not _is_unset(key, value)}


def _is_unset(key: str, value: Any) -> bool:
    """The provider also answers null for some fields that nobody set."""
    return value is None or (key in UNSET_VALUES and bool(value == UNSET_VALUES[key]))
