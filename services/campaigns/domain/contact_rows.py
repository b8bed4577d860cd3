"""Rows of contacts that come from outside: good ones become contacts, and for each bad one stands what is
wrong and what would be right."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from libs import phone, time_zones
from services.campaigns.domain.contacts import NewContact

REGION_DEFAULT: Final = "CA"

_TEXT_LENGTH_MAX = 200
_VALUE_LENGTH_MAX = 100
_SCIENTIFIC = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")
_FORMULA = ("=", "@")
_PHONE_HINT = "write it like +15145550123"


@dataclass(frozen=True, slots=True)
class Rejection:
    """`row` is the line of the file, counted from 1 with the header; of a request, the place in its list."""

    row: int
    field: str
    reason: str
    value: str


class ContactRows:
    """`rows` counts all of them; who was in an earlier row is a duplicate."""

    def __init__(self, *, region: str = REGION_DEFAULT) -> None:
        self.contacts: list[NewContact] = []
        self.rejections: list[Rejection] = []
        self.rows = 0
        self.duplicates = 0
        self._region = region
        self._phones: set[str] = set()

    def read(self, texts: Mapping[str, str], *, line: int) -> None:
        """Takes the row that was counted last. `texts` has name, business_name and phone, and perhaps
        timezone."""
        for field, text in texts.items():
            problem = _text_problem(field, text)
            if problem:
                self.reject(line, field, problem, text)
                return
        self._read_phone(texts, line=line)

    def reject(self, line: int, field: str, reason: str, value: str) -> None:
        shown = value.replace("\0", "\ufffd")[:_VALUE_LENGTH_MAX]
        self.rejections.append(Rejection(row=line, field=field, reason=reason, value=shown))

    def _read_phone(self, texts: Mapping[str, str], *, line: int) -> None:
        try:
            number = phone.to_callable(texts["phone"], region=self._region)
        except phone.InvalidPhone as exc:
            self.reject(line, "phone", f"{exc.why}; {_PHONE_HINT}", texts["phone"])
            return
        if number in self._phones:
            self.duplicates += 1
            return
        self._phones.add(number)
        contact = NewContact(
            row=self.rows,
            name=texts["name"],
            business_name=texts["business_name"],
            phone=number,
            time_zone=texts.get("timezone", ""),
        )
        self.contacts.append(contact)


def _text_problem(field: str, text: str) -> str:
    if "\0" in text:
        return "has a NUL character; remove it"
    if len(text) > _TEXT_LENGTH_MAX:
        return f"is longer than {_TEXT_LENGTH_MAX} characters; shorten it"
    if field == "name" and not text:
        return "is empty; say whom the call is for"
    if field == "timezone" and text and text not in time_zones.names():
        return "is no IANA time zone; write it like America/Toronto, or leave it empty"
    return _phone_problem(text) if field == "phone" else ""


def _phone_problem(text: str) -> str:
    if not text:
        return f"is empty; {_PHONE_HINT}"
    if text.startswith(_FORMULA):
        return f"is a spreadsheet's formula; {_PHONE_HINT}"
    if _SCIENTIFIC.fullmatch(text):
        return f"was turned into a number by a spreadsheet; format the column as text and {_PHONE_HINT}"
    return ""
