"""Which paths and methods the REST API has, for telling apart what does not exist from what is asked
wrongly."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.gateway.http.openapi.descriptors import Descriptors
from services.gateway.http.openapi.files import FILE_PATHS

_VARIABLE: Final = re.compile(r"\\\{[^}]*\\\}")


@dataclass(frozen=True, slots=True)
class _Route:
    pattern: re.Pattern[str]
    verb: str


class Routes:
    def __init__(self, paths: Iterable[tuple[str, str]]) -> None:
        """Pairs of verb and path template."""
        self._routes = [_Route(_pattern(path), verb) for verb, path in paths]

    @classmethod
    def of(cls, descriptors: Descriptors) -> "Routes":
        transcoded = [(operation.verb, operation.path) for operation in descriptors.operations]
        files = [(verb.upper(), path) for path, item in FILE_PATHS.items() for verb in item]
        return cls([*transcoded, *files])

    def verbs(self, path: str) -> list[str]:
        """The methods that the path takes; none if there is no such path."""
        return sorted({route.verb for route in self._routes if route.pattern.fullmatch(path)})


def _pattern(template: str) -> re.Pattern[str]:
    # A variable stands for one segment and cannot swallow the `:verb` after it.
    return re.compile(_VARIABLE.sub("[^/:]+", re.escape(template)))
