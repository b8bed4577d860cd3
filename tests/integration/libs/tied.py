"""A service of two processes, each of which notes down in $FOLDER that it runs and that it was stopped."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from libs import program
from libs.companion import Companion


def configured(environ: Mapping[str, str]) -> Path:
    return Path(environ["FOLDER"])


@asynccontextmanager
async def first(folder: Path) -> AsyncIterator[None]:
    async with noted(folder / "first"):
        yield


@asynccontextmanager
async def second(folder: Path) -> AsyncIterator[None]:
    if "SECOND_FAILS" in os.environ:
        raise OSError
    async with noted(folder / "second"):
        yield


@asynccontextmanager
async def noted(path: Path) -> AsyncIterator[None]:
    draft = path.with_suffix(".draft")
    draft.write_text(str(os.getpid()))
    draft.rename(path)
    yield
    path.with_suffix(".stopped").touch()


if __name__ == "__main__":
    companion = Companion(name="second", running=second, niceness=5, silence_seconds_max=2.0)
    sys.exit(program.run("tied", [], configured=configured, running=first, companion=companion))
