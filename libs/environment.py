"""Typed reading of environment variables that collects every problem before it complains."""

import hmac
import math
from collections.abc import Mapping
from typing import Final, TypeVar

_T = TypeVar("_T")

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class _Required:
    """Stands for "no default"."""


_REQUIRED: Final = _Required()


class ConfigurationError(Exception):
    """The environment does not describe a configuration that can run; lists every problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(["configuration is not usable:", *(f"  {problem}" for problem in problems)])
        )


class Secret:
    """Text that no repr, log or JSON encoder shows by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


class EnvironmentReader:
    """Reads variables by name (after `prefix`); an empty variable counts as unset.

    A problem does not raise at once: the read answers with a placeholder and `finish()` raises one
    `ConfigurationError` with all of them. Call it before using anything that was read.
    """

    def __init__(self, environ: Mapping[str, str], *, prefix: str = "") -> None:
        self._environ = environ
        self._prefix = prefix
        self._problems: list[str] = []

    def text(self, name: str, *, default: str | _Required = _REQUIRED, length_min: int = 0) -> str:
        value = self._find(name)
        if value is None:
            return self._missing(name, "") if isinstance(default, _Required) else default
        if len(value) < length_min:
            self._complain(name, f"must have at least {length_min} characters")
        return value

    def secret(self, name: str, *, default: str | _Required = _REQUIRED, length_min: int = 0) -> Secret:
        return Secret(self.text(name, default=default, length_min=length_min))

    def secrets(self, name: str, *, length_min: int = 0) -> tuple[Secret, ...]:
        """Several, with commas between; none if the variable is unset."""
        texts = [text.strip() for text in self.text(name, default="").split(",") if text.strip()]
        if any(len(text) < length_min for text in texts):
            self._complain(name, f"must have at least {length_min} characters in each")
        return tuple(map(Secret, texts))

    def integer(
        self,
        name: str,
        *,
        default: int | _Required = _REQUIRED,
        minimum: int | None = None,
        maximum: int | None = None,
    ) -> int:
        value = self._find(name)
        if value is None:
            return self._missing(name, 0) if isinstance(default, _Required) else default
        try:
            number = int(value)
        except ValueError:
            self._complain(name, f"must be a whole number, not {value!r}")
            return 0
        self._check_range(name, number, minimum=minimum, maximum=maximum)
        return number

    def number(
        self,
        name: str,
        *,
        default: float | _Required = _REQUIRED,
        minimum: float | None = None,
        maximum: float | None = None,
    ) -> float:
        value = self._find(name)
        if value is None:
            return self._missing(name, 0.0) if isinstance(default, _Required) else default
        try:
            number = float(value)
        except ValueError:
            self._complain(name, f"must be a number, not {value!r}")
            return 0.0
        if not math.isfinite(number):
            self._complain(name, f"must be a finite number, not {value!r}")
            return 0.0
        self._check_range(name, number, minimum=minimum, maximum=maximum)
        return number

    def flag(self, name: str, *, default: bool | _Required = _REQUIRED) -> bool:
        value = self._find(name)
        if value is None:
            return self._missing(name, False) if isinstance(default, _Required) else default
        if value.lower() not in _TRUE | _FALSE:
            self._complain(name, f"must be 1 or 0, not {value!r}")
        return value.lower() in _TRUE

    def address(self, name: str, *, default: str | _Required = _REQUIRED) -> str:
        """host:port; the port may be 0 where something listens."""
        value = self.text(name, default=default)
        host, _, port = value.rpartition(":")
        if value and not (host and port.isdecimal() and int(port) <= 65535):
            self._complain(name, f"must be host:port, not {value!r}")
        return value

    def problem(self, name: str, text: str) -> None:
        """For rules between variables that the reader cannot know."""
        self._complain(name, text)

    def finish(self) -> None:
        if self._problems:
            raise ConfigurationError(self._problems)

    def _find(self, name: str) -> str | None:
        return self._environ.get(self._prefix + name, "").strip() or None

    def _missing(self, name: str, placeholder: _T) -> _T:
        self._complain(name, "is required")
        return placeholder

    def _complain(self, name: str, problem: str) -> None:
        self._problems.append(f"{self._prefix}{name} {problem}")

    def _check_range(self, name: str, number: float, *, minimum: float | None, maximum: float | None) -> None:
        if minimum is not None and number < minimum:
            self._complain(name, f"must be at least {minimum}, not {number}")
        if maximum is not None and number > maximum:
            self._complain(name, f"must be at most {maximum}, not {number}")
