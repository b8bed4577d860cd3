"""`python -m services.campaigns` serves; with `migrate` it applies the migrations and ends."""

import sys
from pathlib import Path

from libs import program


def main() -> int:
    if sys.argv[1:] == ["migrate"]:
        return program.migrated("campaigns", Path(__file__).parent / "migrations")
    # Only now: a migration is over before all of it is imported.
    with program.importing():
        from services.campaigns.app import running
        from services.campaigns.config import Config

    return program.run("campaigns", sys.argv[1:], configured=Config.from_env, running=running)


if __name__ == "__main__":
    sys.exit(main())
