"""`python -m services.gateway` serves; with `migrate` it applies the migrations and ends."""

import sys
from pathlib import Path

from libs import program


def main() -> int:
    if sys.argv[1:] == ["migrate"]:
        return program.migrated("gateway", Path(__file__).parent / "migrations")
    # Only now: a migration is over before all of it is imported.
    with program.importing():
        from services.gateway.app import running
        from services.gateway.config import Config

    return program.run("gateway", sys.argv[1:], configured=Config.from_env, running=running)


if __name__ == "__main__":
    sys.exit(main())
