"""The demo's result: `demo.json` for programs, a table for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.demo.checks import Check, Evidence
from deploy.demo.outbound import CAP


def summary(evidence: Evidence, checks: list[Check]) -> dict[str, Any]:
    campaign = evidence.outbound.campaign
    return {
        "inbound_calls": len(evidence.inbound.records),
        "campaign": {
            "id": campaign["id"],
            "contacts": campaign["totalContacts"],
            "attempts": len(evidence.outbound.attempts),
            "max_active": evidence.max_active,
            "cap": CAP,
            "completed": campaign["status"] == "COMPLETED",
        },
        "leads": len(evidence.leads),
        "sms_sent": len(evidence.sandbox_messages),
        "webhooks_delivered": len(evidence.deliveries()),
        "trace_id": evidence.trace.trace_id,
        "trace_spans": evidence.trace.spans,
        "services_in_trace": list(evidence.trace.services),
        "checks": [{"says": check.says, "holds": check.holds, "figures": check.figures} for check in checks],
        "ok": all(check.holds for check in checks),
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".json.part")
    partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def show(console: Console, checks: list[Check]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in checks:
        mark = "[green]ok[/green]" if check.holds else "[bold red]NO[/bold red]"
        table.add_row(mark, check.says, f"[dim]{check.figures}[/dim]")
    console.print(table)
