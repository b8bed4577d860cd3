"""`python -m services.campaigns` serves; with `migrate` it applies the migrations and ends."""

import sys
from pathlib import Path

from libs import program
from services.campaigns.app import running
from services.campaigns.config import Config

if __name__ == "__main__":
    sys.exit(
        program.run(
            "campaigns",
            sys.argv[1:],
            migrations=Path(__file__).parent / "migrations",
            configured=Config.from_env,
            running=running,
        )
    )
