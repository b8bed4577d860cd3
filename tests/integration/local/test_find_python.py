"""Which Python the virtual environment is made of (deploy/find_python.sh)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "find_python.sh"
# Each call of a function takes several times as long.
HINDRANCE = "import sys\nsys.setprofile(lambda *_: None)\n"


@pytest.fixture
def fast(tmp_path: Path) -> Path:
    return python_in(tmp_path / "fast", "")


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    hindrance = tmp_path / "hindrance"
    hindrance.mkdir()
    (hindrance / "sitecustomize.py").write_text(HINDRANCE, encoding="utf-8")
    return python_in(tmp_path / "slow", f"PYTHONPATH={hindrance} ")


def python_in(folder: Path, settings: str) -> Path:
    """A `python3` that is this one, with such settings."""
    folder.mkdir()
    path = folder / "python3"
    path.write_text(f'#!/bin/sh\n{settings}exec {sys.executable} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def found(on_path: Path, *, system: Path | str, **chosen: str) -> str:
    environ = {"PATH": f"{on_path.parent}:{os.defpath}", "SYSTEM_PYTHONS": str(system), **chosen}
    told = subprocess.run([SCRIPT], env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert "" == told.stderr
    return told.stdout.strip()


def test_the_systems_own_is_taken_if_it_is_much_faster(fast: Path, slow: Path) -> None:
    assert str(fast) == found(slow, system=fast)


def test_the_first_one_on_the_path_is_taken_otherwise(fast: Path, slow: Path) -> None:
    assert str(fast) == found(fast, system=slow)
    assert str(slow) == found(slow, system="/nowhere/python3")


def test_a_chosen_one_is_taken_however_slow(fast: Path, slow: Path) -> None:
    assert str(slow) == found(fast, system=fast, PYTHON=str(slow))


def test_one_of_another_version_is_not_taken(slow: Path, tmp_path: Path) -> None:
    other = python_in(tmp_path / "other", "")
    words = other.read_text(encoding="utf-8").replace(
        "exec", 'case "$2" in *version_info\\[:2*) echo 3 99; exit;; esac\nexec'
    )
    other.write_text(words, encoding="utf-8")

    assert str(slow) == found(slow, system=other)


def test_without_any_it_is_said_what_is_missing(tmp_path: Path) -> None:
    told = subprocess.run(
        ["/bin/sh", SCRIPT],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 1 == told.returncode
    assert "" == told.stdout
    assert "Callplane needs Python 3.11 or newer" in told.stderr
