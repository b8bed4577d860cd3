"""The only places a caller may be transferred to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from libs.errors import FieldViolation, InvalidArgument
from libs.phone import InvalidPhone, to_e164
from services.calls.domain.business_hours import Language
from services.calls.domain.text import key_of

_SIP: Final = re.compile(r"sips?:[A-Za-z0-9._~+%!$&'()*,;=:-]{1,100}@[A-Za-z0-9.:\[\]-]{1,80}")

_SENTENCES: Final = {
    Language.FR: "Je vous transfère. Un instant, s'il vous plaît.",
    Language.EN: "I am transferring you. One moment, please.",
}


class DestinationKind(StrEnum):
    NUMBER = "NUMBER"
    SIP = "SIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferDestination:
    name: str
    position: int
    active: bool = True
    kind: DestinationKind
    address: str
    message_fr: str = ""
    message_en: str = ""

    @property
    def label(self) -> str:
        return self.name

    @property
    def name_key(self) -> str:
        return key_of(self.name)

    def check(self) -> None:
        """Raises InvalidArgument."""
        found = []
        if not self.name_key:
            found.append(FieldViolation("name", "must have letters or digits"))
        if self.kind is DestinationKind.SIP and not _SIP.fullmatch(self.address):
            found.append(FieldViolation("address", "is not a SIP URI"))
        if self.kind is DestinationKind.NUMBER and not _is_e164(self.address):
            found.append(FieldViolation("address", "is not a phone number in E.164"))
        if found:
            raise InvalidArgument(violations=found)


def named(destinations: Sequence[TransferDestination], name: str) -> TransferDestination | None:
    """Of active ones in order: the one of this name, the first if no name is given."""
    if not name.strip():
        return next(iter(destinations), None)
    return next((one for one in destinations if one.name_key == key_of(name)), None)


def sentence(destination: TransferDestination, language: Language) -> str:
    """What the caller is told; in the other language rather than not at all."""
    said = {Language.FR: destination.message_fr, Language.EN: destination.message_en}
    return said[language] or destination.message_fr or destination.message_en or _SENTENCES[language]


def _is_e164(text: str) -> bool:
    try:
        return to_e164(text, region=None) == text
    except InvalidPhone:
        return False
