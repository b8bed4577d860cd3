"""What a spreadsheet makes of an export, whichever character it splits cells at."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaigns.domain import export
from services.campaigns.domain.export import ExportRow

PHONE = "+15145550101"
FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20]")


def row(**fields: str) -> ExportRow:
    texts = {"name": "", "business_name": "", "phone": PHONE, "summary": "", **fields}
    return ExportRow(
        position=1,
        call_status="ENDED",
        ended_reason="",
        cost_usd=None,
        duration_seconds=None,
        recording_url="",
        success_evaluation=None,
        **texts,
    )


def read(data: bytes, *, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2", "'-2"),
        (PHONE, PHONE),
        ("+1|cmd", "'+1|cmd"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("  =1+1", "'  =1+1"),
        ("\t=1", "'\t'=1"),
        ("\r=1", "'\r'=1"),
        ("Ann;=1+1", "Ann;'=1+1"),
        ("Ann\t@x\n=1+1", "Ann\t'@x\n'=1+1"),
        ("Ann; 2 + 2 = 4", "Ann; 2 + 2 = 4"),
        ("Ann, -5 degrees", "Ann, -5 degrees"),
    ],
)
def test_a_formula_is_kept_from_running(text: str, shown: str) -> None:
    """CA-6: at the beginning of a cell, and of what other separators make one."""
    [found] = read(export.encoded([row(name=text)]))

    assert shown == found[0]


TEXTS = st.text(alphabet=st.sampled_from("=+-@;\t\n\r \"',a1\uff1d"), max_size=12)


@given(name=TEXTS, summary=TEXTS)
def test_no_separator_makes_a_formula_of_a_text(name: str, summary: str) -> None:
    """CA-6: Excel splits at semicolons where the comma is the decimal sign."""
    data = export.encoded([row(name=name, summary=summary)])

    for delimiter in ",;\t":
        for cells in read(data, delimiter=delimiter):
            assert [] == [cell for cell in cells if FORMULA.match(cell) and cell != PHONE]
