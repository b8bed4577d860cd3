"""`python -m services.campaigns` serves; `python -m services.campaigns migrate` brings the schema up to
date."""

import asyncio
import os
import signal
import sys

from libs import telemetry
from libs.environment import ConfigurationError
from services.campaigns.app import migrated, running
from services.campaigns.config import Config, owner_database_url


async def serve(config: Config) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopped.set)
    async with running(config):
        await stopped.wait()


def main(arguments: list[str]) -> int:
    switched_on = telemetry.setup("campaigns", os.environ)
    try:
        if arguments == ["migrate"]:
            asyncio.run(migrated(owner_database_url(os.environ)))
        elif not arguments:
            asyncio.run(serve(Config.from_env(os.environ)))
        else:
            sys.stderr.write("usage: python -m services.campaigns [migrate]\n")
            return 2
    except ConfigurationError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    finally:
        switched_on.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
