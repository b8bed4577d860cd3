"""The CSV that a campaign is exported as."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

HEADER: Final = (
    "name",
    "business_name",
    "phone",
    "call_status",
    "ended_reason",
    "cost_usd",
    "duration_seconds",
    "recording_url",
    "success_evaluation",
    "transcript_summary",
)

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_BLANK = ("\t", "\r", "\n")
# Where the comma is the decimal sign, cells end at semicolons, and a quotation mark inside of one is nothing
# but a character.
_INNER_FORMULA = re.compile(r"([;\t\r\n])(?=\"*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    """A contact with its last call; empty and None where there was none."""

    position: int
    name: str
    business_name: str
    phone: str
    call_status: str
    ended_reason: str
    cost_usd: Decimal | None
    duration_seconds: float | None
    recording_url: str
    success_evaluation: bool | None
    summary: str


def header() -> bytes:
    return _encoded([HEADER])


def encoded(rows: Iterable[ExportRow], *, with_costs: bool = True) -> bytes:
    shown = rows if with_costs else (replace(row, cost_usd=None) for row in rows)
    return _encoded(map(_cells, shown))


def _encoded(rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _cells(row: ExportRow) -> list[str]:
    return [
        _harmless(row.name),
        _harmless(row.business_name),
        _harmless(row.phone),
        row.call_status,
        _harmless(row.ended_reason),
        "" if row.cost_usd is None else f"{row.cost_usd:.4f}",
        "" if row.duration_seconds is None else f"{row.duration_seconds:.3f}".rstrip("0").rstrip("."),
        _harmless(row.recording_url),
        "" if row.success_evaluation is None else str(row.success_evaluation).lower(),
        _harmless(row.summary),
    ]


def _harmless(text: str) -> str:
    """An apostrophe keeps a spreadsheet from running the cell, or what it takes for one. E.164 is a plain
    number to it and stays as it is."""
    if _PHONE.fullmatch(text):
        return text
    shown = _INNER_FORMULA.sub(r"\1'", text)
    return "'" + shown if shown.startswith(_BLANK) or shown.lstrip().startswith(_FORMULA) else shown
