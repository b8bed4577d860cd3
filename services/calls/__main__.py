"""`python -m services.calls` serves; with `migrate` it applies the migrations and ends."""

import sys
from pathlib import Path

from libs import program
from services.calls.app import running
from services.calls.config import Config

if __name__ == "__main__":
    sys.exit(
        program.run(
            "calls",
            sys.argv[1:],
            migrations=Path(__file__).parent / "migrations",
            configured=Config.from_env,
            running=running,
        )
    )
