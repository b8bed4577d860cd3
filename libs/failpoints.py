"""Named places in the code where a test can make the process fail.

`FAILPOINTS="dial.after_post=kill;calls.before_commit=error@0.1;outbox.read=sleep:50#3"`

    actions   kill            SIGKILL to this process: no cleanup, as a power cut would
              stop:<seconds>  stands still and blocks the event loop, as a long pause would
              sleep:<ms>      waits without blocking
              error           raises FailpointError
    @p        only with this probability
    #n        only at the n-th hit

Switched off (no FAILPOINTS), a hit costs one dict lookup.
"""

import asyncio
import os
import random
import re
import signal
import time
from dataclasses import dataclass

_GRAMMAR = re.compile(
    r"(?P<name>[a-z0-9_]+(?:\.[a-z0-9_]+)*)="
    r"(?P<action>kill|error|stop:(?P<seconds>\d+(?:\.\d+)?)|sleep:(?P<ms>\d+))"
    r"(?:@(?P<probability>0(?:\.\d+)?|1(?:\.0+)?))?(?:#(?P<nth>[1-9]\d*))?"
)


class FailpointError(Exception):
    """A failpoint struck."""


@dataclass(slots=True)
class _Failpoint:
    action: str
    amount: float
    probability: float
    nth: int | None
    hits: int = 0


_registered: set[str] = set()
_active: dict[str, _Failpoint] = {}


def register(*names: str) -> None:
    """Declares failpoints; a module does so for the names it hits."""
    _registered.update(names)


def registered() -> frozenset[str]:
    return frozenset(_registered)


def configure(text: str) -> None:
    """Replaces what is switched on; an empty text switches all off. Raises ValueError if it cannot be
    read."""
    parsed = _parse(text)
    _active.clear()
    _active.update(parsed)


def unknown() -> frozenset[str]:
    """Names that are switched on but that no module declares: a spelling mistake. Ask after all imports."""
    return frozenset(_active) - _registered


def hits(name: str) -> int:
    """How often a switched-on failpoint was reached."""
    failpoint = _active.get(name)
    return failpoint.hits if failpoint else 0


async def hit(name: str) -> None:
    failpoint = _active.get(name)
    if failpoint is not None:
        await _strike(name, failpoint)


async def _strike(name: str, failpoint: _Failpoint) -> None:
    failpoint.hits += 1
    if failpoint.nth is not None and failpoint.hits != failpoint.nth:
        return
    if random.random() >= failpoint.probability:
        return
    match failpoint.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            # Blocking the loop is the purpose: heartbeats and deadlines must cope with it.
            time.sleep(failpoint.amount)  # noqa: ASYNC251
        case "sleep":
            await asyncio.sleep(failpoint.amount)
        case _:
            raise FailpointError(name)


def _parse(text: str) -> dict[str, _Failpoint]:
    return dict(_parse_one(part.strip()) for part in text.split(";") if part.strip())


def _parse_one(part: str) -> tuple[str, _Failpoint]:
    found = _GRAMMAR.fullmatch(part)
    if found is None:
        raise ValueError(f"FAILPOINTS: cannot read {part!r}")
    amount = float(found["seconds"] or 0) or int(found["ms"] or 0) / 1000
    return found["name"], _Failpoint(
        action=found["action"].partition(":")[0],
        amount=amount,
        probability=float(found["probability"] or 1),
        nth=int(found["nth"]) if found["nth"] else None,
    )


# Read here and not by each program, so that a crash test cannot be defeated by a start-up that forgot it.
configure(os.environ.get("FAILPOINTS", ""))
