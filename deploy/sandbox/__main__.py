"""`python -m deploy.sandbox`: runs until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from deploy.sandbox.app import running
from deploy.sandbox.config import Config, ConfigurationError


async def _run(config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for received in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(received, stop.set)
    async with running(config) as sandbox:
        print(f"sandbox ready {sandbox.url}", flush=True)
        await stop.wait()


def main() -> int:
    try:
        config = Config.from_env(os.environ)
    except ConfigurationError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    asyncio.run(_run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
