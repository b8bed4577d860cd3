"""`python -m deploy.bench` starts a stack of its own, measures intake on it and writes `bench.json`."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from deploy.bench import report, rounds
from deploy.local.child import StackError
from deploy.local.settings import Settings
from deploy.local.stack import running_stack

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
ENVIRON = {
    "OTEL_TRACES_SAMPLER": "always_off",
    # Envoy has a sampler of its own; without an exporter it makes no spans either.
    "OTEL_TRACES_EXPORTER": "none",
    "LOG_LEVEL": "WARNING",
    "RATE_LIMIT_ENABLED": "0",
    # Calls that a load leaves unfinished are nobody's business here.
    "CALLS_STUCK_SECONDS": "600",
}


async def main(console: Console) -> int:
    """The exit status: 0 if the figures are worth something, whatever they are."""
    chosen = Settings.from_env(os.environ)
    result_path = chosen.data_dir / "bench.json"
    result_path.unlink(missing_ok=True)
    with _scratch(chosen.data_dir / "bench") as folder:
        settings = replace(
            chosen,
            data_dir=folder,
            port=0,
            sandbox_port=0,
            restart=False,
            environ={**chosen.environ, **ENVIRON},
        )
        load_average = os.getloadavg()
        async with running_stack(settings, tell=console.print) as running:
            measured = await rounds.run(running, folder=folder, tell=console.print)
    result = report.summary(measured, load_average=load_average)
    result_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    report.show(console, result)
    console.print(f"\nWrote {result_path}")
    return 0 if result["ok"] else EXIT_FAILED


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for this run alone: each starts with the same, empty database. If the run fails, all
    stays there until the next one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another benchmark is running in {folder}") from None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder
        shutil.rmtree(folder / "postgres", ignore_errors=True)


async def _until_told(console: Console) -> int:
    """SIGTERM ends the run as Ctrl-C does: everything is stopped in order."""
    task = asyncio.ensure_future(main(console))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _exit_status() -> int:
    console = Console(highlight=False)
    console.width = max(console.width, report.WIDTH)
    try:
        return asyncio.run(_until_told(console))
    except StackError as refusal:
        console.print(f"The benchmark failed: {refusal}", markup=False, soft_wrap=True)
        return EXIT_FAILED
    except (KeyboardInterrupt, asyncio.CancelledError):
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(_exit_status())
