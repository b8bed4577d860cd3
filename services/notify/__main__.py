"""`python -m services.notify` serves; with `migrate` it applies the migrations and ends."""

import sys
from pathlib import Path

from libs import program
from services.notify.app import running
from services.notify.config import Config

if __name__ == "__main__":
    sys.exit(
        program.run(
            "notify",
            sys.argv[1:],
            migrations=Path(__file__).parent / "migrations",
            configured=Config.from_env,
            running=running,
        )
    )
