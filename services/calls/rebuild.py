"""`python -m services.calls rebuild [--org ID] [--from ledger|events] [--apply] [--after PLACE]`

Compares the record with what it follows from, and with `--apply` puts it right. One line of JSON per
difference and one at the end on standard output; the place reached on standard error, to go on from after an
interruption. Exit status 0 if nothing differs any more, 1 if something does.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from libs import pg
from libs.environment import EnvironmentReader
from services.calls.domain.differences import Difference, Source
from services.calls.operations.rebuilding import (
    BEGINNING,
    AfterCall,
    AfterEntry,
    Rebuilding,
    RebuildPlace,
)

_SOURCES: Final = {"ledger": Source.LEDGER, "events": Source.CALL_EVENTS}
_START_SECONDS_MAX: Final = 10.0


async def rebuild(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    asked = _parser().parse_args(list(arguments))
    env = EnvironmentReader(environ)
    url = env.secret("CALLS_WORKER_DATABASE_URL")
    env.finish()
    pool = await pg.open_pool(
        url.reveal(), service="calls rebuild", size_max=1, start_seconds_max=_START_SECONDS_MAX
    )
    try:
        return await _rebuilt(Rebuilding(pool), asked)
    finally:
        await pool.close()


async def _rebuilt(rebuilding: Rebuilding, asked: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    place: RebuildPlace | None = asked.after
    while place is not None:
        done = await rebuilding.step(
            org_id=asked.org, source=_SOURCES[asked.source], apply=asked.apply, after=place
        )
        for difference in done.differences:
            _tell(difference)
        counts += Counter(checked=done.checked, differences=len(done.differences), applied=done.applied)
        place = done.next
        print(f"checked {counts['checked']}, after {_written(place)}", file=sys.stderr)  # noqa: T201
    summary = {name: counts[name] for name in ("checked", "differences", "applied")}
    print(msgspec.json.encode(summary).decode())  # noqa: T201
    return int(counts["differences"] > counts["applied"])


def _tell(difference: Difference) -> None:
    print(msgspec.json.encode(difference).decode())  # noqa: T201


def _written(place: RebuildPlace | None) -> str:
    match place:
        case AfterCall(call_id=call_id):
            return str(call_id)
        case AfterEntry(xid=xid, position=position):
            return f"{xid}.{position}"
        case _:
            return "the end"


def _read_place(text: str) -> RebuildPlace:
    xid, dot, position = text.partition(".")
    if dot:
        return AfterEntry(xid=str(int(xid)), position=int(position))
    return AfterCall(UUID(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.calls rebuild")
    parser.add_argument("--org", type=UUID, help="of this organization only")
    parser.add_argument("--from", dest="source", choices=sorted(_SOURCES), default="ledger")
    parser.add_argument("--apply", action="store_true", help="put right what differs")
    parser.add_argument("--after", type=_read_place, default=BEGINNING, help="a place told before")
    return parser
