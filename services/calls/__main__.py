"""`python -m services.calls` serves; with `migrate` it applies the migrations and ends, with `rebuild` it
compares the record with what it follows from and ends."""

import sys
from pathlib import Path

from libs import program
from services.calls.app import running
from services.calls.config import Config
from services.calls.rebuild import rebuild

if __name__ == "__main__":
    sys.exit(
        program.run(
            "calls",
            sys.argv[1:],
            migrations=Path(__file__).parent / "migrations",
            configured=Config.from_env,
            running=running,
            commands={"rebuild": rebuild},
        )
    )
