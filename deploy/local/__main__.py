"""`python -m deploy.local up` runs the stack until Ctrl-C; `demo` runs the main job on it, to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from rich.console import Console

from deploy.local.child import StackError
from deploy.local.settings import Settings
from deploy.local.stack import running_stack

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


async def up(console: Console) -> int:
    """Until it is cancelled, which is how it is meant to end."""
    settings = Settings.from_env(os.environ)
    try:
        async with running_stack(settings, tell=lambda text: console.print(text, markup=False)) as running:
            console.print(f"ready {running['public_url']}", markup=False, soft_wrap=True)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        console.print("stopped", markup=False)
    return 0


async def demo(console: Console) -> int:
    from deploy.demo.run import main as run_demo

    return await run_demo(console)


VERBS = {"up": up, "demo": demo}


async def _until_told(job: Coroutine[Any, Any, int]) -> int:
    """SIGTERM ends the job as Ctrl-C does: everything is stopped in order."""
    task = asyncio.ensure_future(job)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main(arguments: list[str]) -> int:
    verb = VERBS.get(arguments[0]) if len(arguments) == 1 else None
    if verb is None:
        print(f"usage: python -m deploy.local {' | '.join(VERBS)}", file=sys.stderr)
        return EXIT_USAGE
    console = Console(highlight=False)
    # A shell lets what it starts in the background ignore Ctrl-C; a stack nobody can end is no use.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return asyncio.run(_until_told(verb(console)))
    except StackError as refusal:
        console.print(f"The stack did not start: {refusal}", markup=False, soft_wrap=True)
        return EXIT_FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
