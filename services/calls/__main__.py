"""`python -m services.calls` serves; with `migrate` it applies the migrations and ends, with `rebuild` it
compares the record with what it follows from and ends."""

import sys
from pathlib import Path

from libs import program


def main() -> int:
    if sys.argv[1:] == ["migrate"]:
        return program.migrated("calls", Path(__file__).parent / "migrations")
    # Only now: a migration is over before all of it is imported.
    with program.importing():
        from services.calls.app import running
        from services.calls.config import Config
        from services.calls.rebuild import rebuild

    return program.run(
        "calls",
        sys.argv[1:],
        configured=Config.from_env,
        running=running,
        commands={"rebuild": rebuild},
    )


if __name__ == "__main__":
    sys.exit(main())
