"""`python -m services.calls` serves; with `migrate` it applies the migrations and ends, with `rebuild` it
compares the record with what it follows from and ends."""

import sys
from pathlib import Path
from typing import Final

from libs import program
from libs.companion import Companion

# Somebody waits for each webhook and each question, and nobody for the fold; but alerts follow from it.
_NICENESS: Final = 10


def main() -> int:
    if sys.argv[1:] == ["migrate"]:
        return program.migrated("calls", Path(__file__).parent / "migrations")
    # Only now: a migration is over before all of it is imported.
    with program.importing():
        from services.calls.app import folding, running
        from services.calls.config import Config
        from services.calls.rebuild import rebuild

    return program.run(
        "calls",
        sys.argv[1:],
        configured=Config.from_env,
        running=running,
        companion=Companion(name="folder", running=folding, niceness=_NICENESS),
        commands={"rebuild": rebuild},
    )


if __name__ == "__main__":
    sys.exit(main())
