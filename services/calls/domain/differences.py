"""How the record differs from what it should be. Names only, never values: they may be personal."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.calls.domain.call import Call
from services.calls.domain.call_events import NewCallEvent
from services.calls.domain.transcript import Line


class Source(StrEnum):
    """What the record is rebuilt from."""

    LEDGER = "LEDGER"
    CALL_EVENTS = "CALL_EVENTS"


class Kind(StrEnum):
    """The row is not there, should not be there, or says something else."""

    MISSING = "MISSING"
    EXTRA = "EXTRA"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`row` tells the rows of one table and call apart: an event's ledger entry, a line's number. `call_id`
    is None for what belongs to no call. `repairable`: a rebuild can put it right."""

    call_id: UUID | None
    table: str
    kind: Kind
    row: str = ""
    columns: tuple[str, ...] = ()
    repairable: bool = True


# What the reconciler notes for itself.
_NOTES: Final = frozenset({"looked_up_at", "lookups"})
_COLUMNS: Final = tuple(field.name for field in fields(Call) if field.name not in _NOTES)
_EVENT_COLUMNS: Final = ("call_id", "type", "status", "occurred_at", "received_at", "payload")
_LINE_COLUMNS: Final = ("role", "message", "seconds_from_start", "spoken_at", "confidence", "metadata")


def of_call(present: Call | None, right: Call) -> list[Difference]:
    if present is None:
        return [Difference(call_id=right.id, table="calls", kind=Kind.MISSING)]
    columns = tuple(name for name in _COLUMNS if getattr(present, name) != getattr(right, name))
    return (
        [Difference(call_id=right.id, table="calls", kind=Kind.CHANGED, columns=columns)] if columns else []
    )


def of_events(
    call_id: UUID, present: Sequence[NewCallEvent], right: Sequence[NewCallEvent]
) -> list[Difference]:
    """Events are never changed and never removed, so only missing ones can be put right."""
    here = {event.provider_event_id: event for event in present}
    there = {event.provider_event_id: event for event in right}
    found = [_event(call_id, event_id, Kind.MISSING) for event_id in there if event_id not in here]
    found += [_event(call_id, event_id, Kind.EXTRA) for event_id in here if event_id not in there]
    for event_id, event in there.items():
        if event_id in here and (columns := _changed(here[event_id], event)):
            found.append(replace(_event(call_id, event_id, Kind.CHANGED), columns=columns))
    return found


def of_lines(
    call_id: UUID, present: Sequence[tuple[str, Line]], right: Mapping[int, tuple[str, Line]]
) -> list[Difference]:
    """`right` by number of line. Each line with its source."""
    here = {line.line_no: (source, line) for source, line in present}
    found = [_line(call_id, number, Kind.MISSING) for number in right if number not in here]
    found += [_line(call_id, number, Kind.EXTRA) for number in here if number not in right]
    for number, told in right.items():
        if number in here and (columns := _line_columns(here[number], told)):
            found.append(replace(_line(call_id, number, Kind.CHANGED), columns=columns))
    return found


def _event(call_id: UUID, event_id: UUID, kind: Kind) -> Difference:
    return Difference(
        call_id=call_id, table="call_events", kind=kind, row=str(event_id), repairable=kind is Kind.MISSING
    )


def _changed(present: NewCallEvent, right: NewCallEvent) -> tuple[str, ...]:
    return tuple(name for name in _EVENT_COLUMNS if getattr(present, name) != getattr(right, name))


def _line(call_id: UUID, number: int, kind: Kind) -> Difference:
    return Difference(call_id=call_id, table="transcripts", kind=kind, row=str(number))


def _line_columns(present: tuple[str, Line], right: tuple[str, Line]) -> tuple[str, ...]:
    changed = tuple(name for name in _LINE_COLUMNS if _stored(present[1], name) != _stored(right[1], name))
    return ("source", *changed) if present[0] != right[0] else changed


def _stored(line: Line, name: str) -> object:
    """As the database holds it: a confidence has four bytes there."""
    value = getattr(line, name)
    return (
        struct.unpack("f", struct.pack("f", value))[0]
        if name == "confidence" and value is not None
        else value
    )
