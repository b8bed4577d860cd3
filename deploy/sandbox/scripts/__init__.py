"""The calls the sandbox can play, by name."""

from __future__ import annotations

from dataclasses import replace

from deploy.sandbox.scripts import emergencies, outbound, standard, tools, unusual
from deploy.sandbox.scripts.script import Say, Script, Step, UseTool

__all__ = ["SCRIPTS", "Say", "Script", "Step", "UseTool", "script_for_outcome"]

SCRIPTS: dict[str, Script] = {
    script.name: script
    for script in (
        *emergencies.SCRIPTS,
        *standard.SCRIPTS,
        *tools.SCRIPTS,
        *unusual.SCRIPTS,
        *outbound.SCRIPTS,
    )
}

_UNANSWERED = (
    "did-not-answer",
    "busy",
    "failed-to-connect",
    "misdialed",
    "sip-",
    "vapifault",
    "call.start.",
    "rejected",
)


def script_for_outcome(outcome: str) -> Script:
    """How an outbound call with this outcome goes; an outcome is the name of a script or an ended reason."""
    if outcome in SCRIPTS:
        return SCRIPTS[outcome]
    if any(word in outcome for word in _UNANSWERED):
        return replace(SCRIPTS["no_answer"], ended_reason=outcome, ring_seconds=5.0)
    return replace(SCRIPTS["outbound_simple"], ended_reason=outcome)
