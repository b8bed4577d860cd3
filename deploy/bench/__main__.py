"""`python -m deploy.bench` starts a stack of its own, measures intake or dialing on it and writes
`bench.json`."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.bench import dials, growth, report, rounds, soak
from deploy.bench.database import Database, connected
from deploy.bench.machine import facts
from deploy.bench.wanted import BY_SECTION
from deploy.local.child import StackError
from deploy.local.processes import Tell
from deploy.local.settings import Settings
from deploy.local.stack import RunningStack, running_stack

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
    measured: list[str] = []
    for name, section in _sections(os.environ).items():
        result = _earlier(result_path)
        result[name] = await _run(name, section, settings=chosen, console=console)
        result["problems"] = [
            problem for one in BY_SECTION for problem in result.get(one, {}).get("problems", [])
        ]
        result["ok"] = not result["problems"]
        result["wanted"] = [asdict(one) for one in report.comparisons(result)]
        result_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        measured.append(name)
    report.show(console, result, measured=measured)
    console.print(f"\nWrote {result_path}")
    return 0 if result["ok"] else EXIT_FAILED


Section = Callable[[RunningStack, Path, Tell], Awaitable[dict[str, Any]]]


def _sections(environ: Mapping[str, str]) -> dict[str, Section]:
    """What is to be measured, each on a stack of its own: the long runs if they are asked for, else the
    ordinary one. `GROWTH`, `SOAK` and `DIALS` are 1, or the events, seconds and contacts to go to."""
    found: dict[str, Section] = {}
    if events := _number(environ, "GROWTH", meant_by_one=growth.EVENTS_MAX):
        found["growth"] = lambda running, _, tell: growth.run(running, events_max=events, tell=tell)
    if seconds := _number(environ, "SOAK", meant_by_one=soak.SECONDS):
        found["soak"] = lambda running, _, tell: soak.run(running, seconds=seconds, tell=tell)
    if contacts := _number(environ, "DIALS", meant_by_one=dials.CONTACTS):
        found["dials"] = lambda running, _, tell: dials.run(running, contacts=contacts, tell=tell)
    return found or {"intake": lambda running, folder, tell: rounds.run(running, folder=folder, tell=tell)}


def _number(environ: Mapping[str, str], name: str, *, meant_by_one: int) -> int:
    text = environ.get(name) or "0"
    if not text.isdecimal():
        raise StackError(f"{name} must be a number, not {text!r}")
    return meant_by_one if int(text) == 1 else int(text)


def _earlier(path: Path) -> dict[str, Any]:
    """The sections of earlier runs; a file of another kind counts for nothing."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: document[name] for name in BY_SECTION if isinstance(document, dict) and name in document}


async def _run(name: str, section: Section, *, settings: Settings, console: Console) -> dict[str, Any]:
    with _scratch(settings.data_dir / "bench") as folder:
        own = replace(
            settings,
            data_dir=folder,
            port=0,
            sandbox_port=0,
            restart=False,
            environ={**settings.environ, **ENVIRON},
        )
        load_average = list(os.getloadavg())
        console.print(f"[bold]{name}[/bold]")
        async with running_stack(own, tell=console.print) as running:
            async with connected(Database.of(running)) as conn:
                machine = await facts(conn)
            found = await section(running, folder, console.print)
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    return {"measured_at": measured_at, "machine": machine, "load_average_before": load_average, **found}


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
