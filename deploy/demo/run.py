"""Starts the local stack, tells the story on it, judges what came of it."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
from rich.console import Console

from deploy.demo import report, story
from deploy.demo.clients import DemoFailed
from deploy.local.settings import Settings
from deploy.local.stack import running_stack

EXIT_FAILED = 1


async def main(console: Console) -> int:
    """The exit status: 0 if everything holds."""
    settings = Settings.from_env(os.environ)
    result_path = settings.data_dir / "demo.json"
    result_path.unlink(missing_ok=True)
    async with running_stack(settings, tell=console.print) as ready:
        return await tell(console, ready, data_dir=settings.data_dir, result_path=result_path)


async def tell(console: Console, ready: story.Ready, *, data_dir: Path, result_path: Path) -> int:
    try:
        evidence, checks = await story.run(console, ready, traces=data_dir / "traces.jsonl")
    except (DemoFailed, httpx.HTTPError) as failure:
        console.print(f"[bold red]The demo failed:[/bold red] {_said(failure)}")
        console.print(f"Logs of every process: {data_dir / 'logs'}")
        report.write(result_path, {"ok": False, "error": _said(failure)})
        return EXIT_FAILED
    report.show(console, checks)
    result = report.summary(evidence, checks)
    report.write(result_path, result)
    console.print(f"\nWrote {result_path}")
    return 0 if result["ok"] else EXIT_FAILED


def _said(failure: Exception) -> str:
    return str(failure) or type(failure).__name__
