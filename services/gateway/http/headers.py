"""A request's headers as the server hands them over: pairs of bytes, names in lower case.

A handler that looks at one or two of them need not have all of them decoded.
"""

from collections.abc import Mapping, Sequence

from starlette.types import Scope


def first(scope: Scope, name: bytes) -> str:
    """Empty if there is none. `name` in lower case."""
    value: bytes
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


def by_name(scope: Scope) -> dict[str, list[str]]:
    """Every value a name came with."""
    found: dict[str, list[str]] = {}
    key: bytes
    value: bytes
    for key, value in scope["headers"]:
        found.setdefault(key.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


class Fields:
    """The headers of a request in which no name comes twice, decoded one by one as they are asked for."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self._values = values

    def get(self, name: str, default: Sequence[str] = ()) -> Sequence[str]:
        """`name` in lower case."""
        value = self._values.get(name.encode("latin-1", "replace"))
        return default if value is None else (value.decode("latin-1"),)
