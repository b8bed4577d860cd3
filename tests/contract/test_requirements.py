"""Every requirement of intake, the record, rules, leads, assistants and campaigns has a test with its id.

The id stands before a colon in the docstring of a test: "IN-5: ...", "B13, B14: ...".
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Intake and the record of calls, rules and leads, bad input at the door.
INTAKE = [f"IN-{number}" for number in range(1, 14)]
RULES = [f"RU-{number}" for number in range(1, 8)]
# A campaign's life, whom it may call, its figures and its flags.
CAMPAIGNS = [f"CA-{number}" for number in range(1, 10)]
BAD_INPUT = [f"B{number}" for number in (1, 2, 3, 4, 13, 14, 16, 17, 26, 27)]
ASSISTANTS = [f"AS-{number}" for number in range(1, 7)]
PROVIDER = ["V1", "V13", "V14", "V15"]
_ID = re.compile(r"\b(?:IN|RU|AS|CA)-\d+\b|\b[BV]\d+\b")


def docstrings() -> Iterator[str]:
    """Of every test function there is."""
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""


def carried() -> set[str]:
    """The ids that docstrings tell before a colon."""
    return {one for text in docstrings() for part in text.split(":")[:-1] for one in _ID.findall(part)}


@pytest.fixture(scope="module")
def ids() -> set[str]:
    return carried()


@pytest.mark.parametrize("row", [*INTAKE, *RULES, *ASSISTANTS, *CAMPAIGNS, *BAD_INPUT, *PROVIDER])
def test_every_requirement_has_a_test_that_names_it(ids: set[str], row: str) -> None:
    assert row in ids
