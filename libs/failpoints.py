"""Named places in the code where a test can make the process fail.

`FAILPOINTS="dial.after_post=kill;calls.before_commit=error@0.1;outbox.read=sleep:50#3"`

    actions   kill            SIGKILL to this process: no cleanup, as a power cut would
              stop:<seconds>  stands still and blocks the event loop, as a long pause would
              sleep:<ms>      waits without blocking
              error           raises FailpointError
    @p        only with this probability
    #n        only at the n-th hit

`FAILPOINTS=@/some/schedule` names a file with such a text in each line, one for each life of the process: the
first line counts until a kill struck, then the second one for the process that follows, and so on; after the
last line nothing strikes. What has struck stands in `/some/schedule.struck`, name by name.

Switched off (no FAILPOINTS), a hit costs one dict lookup.
"""

import asyncio
import os
import random
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

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
# Where kills are noted down, if there is a schedule.
_struck: Path | None = None


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
            _note(name)
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            # Blocking the loop is the purpose: heartbeats and deadlines must cope with it.
            time.sleep(failpoint.amount)  # noqa: ASYNC251
        case "sleep":
            await asyncio.sleep(failpoint.amount)
        case _:
            raise FailpointError(name)


def _note(name: str) -> None:
    if _struck is not None:
        with _struck.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")


def scheduled(schedule: Path) -> str:
    """The line of a schedule that counts for this life, given what has struck in earlier ones."""
    struck = struck_file(schedule)
    lives = len(struck.read_text(encoding="utf-8").splitlines()) if struck.exists() else 0
    lines = schedule.read_text(encoding="utf-8").splitlines()
    return lines[lives] if lives < len(lines) else ""


def struck_file(schedule: Path) -> Path:
    return schedule.with_name(f"{schedule.name}.struck")


def _configure_from(setting: str) -> None:
    global _struck  # noqa: PLW0603  one process has one schedule
    if setting.startswith("@"):
        schedule = Path(setting[1:])
        _struck = struck_file(schedule)
        setting = scheduled(schedule)
    configure(setting)


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
_configure_from(os.environ.get("FAILPOINTS", ""))
