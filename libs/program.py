"""The life of a service's process: bring the schema up to date and end, or serve until told to stop."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import uvloop

from libs import telemetry
from libs.companion import Companion, Tie
from libs.environment import ConfigurationError, EnvironmentReader
from libs.pg import MigrationError, migrate
from libs.telemetry import logs

Config = TypeVar("Config")
# Does its work to the end, given its arguments and the environment, and answers the exit status.
Command: TypeAlias = Callable[[Sequence[str], Mapping[str, str]], Coroutine[None, None, int]]

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def run(
    service: str,
    arguments: Sequence[str],
    *,
    configured: Callable[[Mapping[str, str]], Config],
    running: Callable[[Config], AbstractAsyncContextManager[object]],
    companion: Companion[Config] | None = None,
    commands: Mapping[str, Command] = MappingProxyType({}),
) -> int:
    """The exit status of `python -m services.<service>`, or of one of the service's own commands. What is
    wrong with the environment is said on standard error, all of it at once. A service with a companion is two
    processes."""
    if arguments and arguments[0] in commands:
        return _commanded(service, commands[arguments[0]], arguments[1:])
    if arguments:
        return _refused(f"usage: python -m services.{service} [{'|'.join(['migrate', *commands])}]")
    with importing():
        # A migration needs nothing of it, and it takes longest to import.
        from libs.telemetry import providers

    try:
        config = configured(os.environ)
        providers.check(os.environ)
    except ConfigurationError as error:
        return _refused(str(error))
    _spare_the_collector()
    tie, name = None, service
    if companion is not None:
        # Before telemetry, which starts threads, and before the event loop.
        tie = Tie.fork(companion)
        if tie.is_companion:
            running, name = companion.running, f"{service}_{companion.name}"
    process = providers.setup(service, os.environ, process=name)
    log = telemetry.logger(f"services.{service}")
    # Secrets in a configuration show as ***.
    log.info("starting", process=name, config=repr(config))
    status = uvloop.run(_serve(running(config), tie))
    log.info("stopped", process=name)
    process.shutdown()
    return status


def migrated(service: str, migrations: Path) -> int:
    """The exit status of `python -m services.<service> migrate`, which needs the owner's URL and nothing
    else of the environment."""
    logs.configure(service, level=os.environ.get("LOG_LEVEL", "INFO"), stack_traces=False)
    try:
        asyncio.run(migrate(_owner_url(service), schema=service, folder=migrations))
    except ConfigurationError as error:
        return _refused(str(error))
    except (MigrationError, OSError) as error:
        print(f"{service} cannot be migrated: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    return 0


def _commanded(service: str, command: Command, arguments: Sequence[str]) -> int:
    logs.configure(service, level=os.environ.get("LOG_LEVEL", "WARNING"), stack_traces=False)
    try:
        return asyncio.run(command(arguments, os.environ))
    except ConfigurationError as error:
        return _refused(str(error))


@contextmanager
def importing() -> Iterator[None]:
    """Nothing of what the block imports is garbage; looking for some takes an eighth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _spare_the_collector() -> None:
    """What is there after the imports stays for good: looking through it for garbage over and over would cost
    more than much of the work. The default threshold is reached by every few JSON documents."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _serve(service: AbstractAsyncContextManager[object], tie: Tie | None) -> int:
    """The exit status."""
    stopped = asyncio.Event()
    event_loop = asyncio.get_running_loop()
    event_loop.add_signal_handler(signal.SIGTERM, stopped.set)
    # Ctrl-C reaches both processes; the companion waits until it is told.
    companion = tie is not None and tie.is_companion
    event_loop.add_signal_handler(signal.SIGINT, (lambda: None) if companion else stopped.set)
    if tie is None:
        async with service:
            await stopped.wait()
        return 0
    return await _serve_tied(service, tie, stopped)


async def _serve_tied(service: AbstractAsyncContextManager[object], tie: Tie, stopped: asyncio.Event) -> int:
    """Ends with the companion, and as it ended: what a crash leaves behind is put in order at the next
    start."""
    holding = asyncio.create_task(tie.hold())
    stopping = asyncio.create_task(stopped.wait())
    async with service:
        await asyncio.wait([holding, stopping], return_when=asyncio.FIRST_COMPLETED)
        status = holding.result() if holding.done() else 0
        if status < 0:
            telemetry.logger(__name__).error("companion was killed", signal=-status)
            os.kill(os.getpid(), -status)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await tie.release()
    stopping.cancel()
    return status


def _owner_url(service: str) -> str:
    env = EnvironmentReader(os.environ)
    url = env.secret(f"{service.upper()}_OWNER_DATABASE_URL")
    env.finish()
    return url.reveal()


def _refused(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201  logs are not set up without a configuration
    return EXIT_USAGE
