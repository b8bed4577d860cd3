"""`python -m services.calls` serves; with `migrate` it applies the migrations and ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

from libs import telemetry
from libs.environment import ConfigurationError, EnvironmentReader
from libs.pg import migrate
from services.calls.app import running
from services.calls.config import Config


async def serve(config: Config) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with running(config):
        await stopped.wait()


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["migrate"]:
            env = EnvironmentReader(os.environ)
            owner_url = env.secret("CALLS_OWNER_DATABASE_URL")
            env.finish()
            folder = Path(__file__).parent / "migrations"
            asyncio.run(migrate(owner_url.reveal(), schema="calls", folder=folder))
            return 0
        config = Config.from_env(os.environ)
        process = telemetry.setup("calls", os.environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  logs are not set up without a configuration
        return 2
    log = telemetry.logger("services.calls")
    log.info("starting", config=repr(config))
    uvloop.run(serve(config))
    log.info("stopped")
    process.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
