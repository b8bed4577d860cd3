"""Arguments of tools as the model sent them: read strictly, because nobody has checked them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.calls.domain.business_hours import BusinessHours, Language
from services.calls.domain.call import Priority
from services.calls.domain.customer import amount

_TEXT_LENGTH_MAX: Final = 20_000
_BOOLEANS: Final = {"true": True, "false": False, "": False}


class BadArguments(Exception):
    """The text tells the model what to send instead; it holds nothing that was sent."""


class Arguments:
    """Each reader raises BadArguments."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def text(self, name: str, *, default: str | None = None, length_max: int = _TEXT_LENGTH_MAX) -> str:
        """Without a default it must be there; what is too long is cut."""
        told = self._told.get(name)
        if told is None and default is not None:
            return default
        if not isinstance(told, str) or (default is None and not told.strip()):
            raise BadArguments(f"{name} must be text.")
        return told.strip()[:length_max]

    def sent(self, *names: str) -> str:
        """The first of these names that was sent; the first one if none was."""
        return next((name for name in names if self._told.get(name) is not None), names[0])

    def flag(self, name: str) -> bool:
        """False if it was not sent."""
        return self.flag_or_none(name) or False

    def flag_or_none(self, name: str) -> bool | None:
        told = self._told.get(name)
        if isinstance(told, str):
            told = _BOOLEANS.get(told.strip().lower(), told)
        if told is None or isinstance(told, bool):
            return told
        raise BadArguments(f"{name} must be true or false.")

    def amount(self, name: str) -> int | None:
        """In whole units."""
        told = self._told.get(name)
        if told in (None, ""):
            return None
        try:
            return amount(told)
        except ValueError:
            raise BadArguments(f"{name} must be a number that is not negative.") from None

    def choice(self, name: str, options: Sequence[str], *, default: str) -> str:
        """Case does not matter."""
        told = self.text(name, default="", length_max=100) or default
        found = next((option for option in options if option.lower() == told.lower()), None)
        if found is None:
            raise BadArguments(f"{name} must be one of {', '.join(filter(None, options))}.")
        return found

    def priority(self, name: str) -> Priority | None:
        told = self.choice(name, ["", *Priority], default="")
        return Priority(told) if told else None

    def language(self, *, default: Language) -> Language:
        return Language(self.choice("language", list(Language), default=default))

    def moment(self, name: str, hours: BusinessHours) -> datetime:
        """ISO 8601; without an offset it is the organization's local time."""
        told = self.text(name, length_max=60)
        try:
            at = datetime.fromisoformat(told)
            return at.astimezone(UTC) if at.tzinfo else hours.in_utc(at)
        except (ValueError, OverflowError):
            raise BadArguments(f"{name} must be a time, for example 2026-11-23T14:30.") from None

    def only(self, *names: str) -> dict[str, Any]:
        """These of them, as they are."""
        return {name: self._told[name] for name in names if self._told.get(name) not in (None, "")}
