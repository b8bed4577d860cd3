"""The record of calls made again from what it follows from.

    own facts (which call is which, what we did) + what the provider told -> call, events, transcript

Slice by slice, each in one transaction that keeps the fold out and the calls of the slice locked: so a slice
compares what belongs together, and a rebuild may run beside everything else, be stopped, and be gone on with
from the last place. It writes the folded tables only: no event is said again, no lead, line or tool is
touched.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from libs import failpoints
from libs.pg import Connection, Pool, transaction
from services.calls.domain import record as calls_domain
from services.calls.domain.call import Call
from services.calls.domain.call_events import NewCallEvent
from services.calls.domain.differences import Difference, Kind, Source, of_call, of_events, of_lines
from services.calls.domain.messages import Message, read
from services.calls.domain.transcript import Line, Telling
from services.calls.domain.webhooks import LedgerEntry
from services.calls.operations.record import Retold, retell
from services.calls.store import call_events, call_settings, calls, foldings, ledger, own_facts, transcripts
from services.calls.store.ledger import Place

SLICE_MAX: Final = 50
# Entries of the ledger looked through at a time for such as belong to no known call.
_LOOSE_MAX: Final = 1000

failpoints.register("rebuild.before_commit")


@dataclass(frozen=True, slots=True)
class AfterCall:
    """The calls up to this one are done."""

    call_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AfterEntry:
    """The calls are done, and the ledger up to this entry of it."""

    xid: str
    position: int


RebuildPlace = AfterCall | AfterEntry
BEGINNING: Final = AfterCall()
_LEDGER_BEGINNING: Final = AfterEntry(xid="0", position=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """`checked` calls, and where to go on; None at the end. `applied`: differences put right."""

    checked: int
    differences: Sequence[Difference]
    applied: int
    next: RebuildPlace | None


@dataclass(slots=True)
class _Repair:
    missing: list[Call] = field(default_factory=list)
    changed: list[Call] = field(default_factory=list)
    spoken: list[Retold] = field(default_factory=list)
    events: list[NewCallEvent] = field(default_factory=list)
    marks: list[tuple[LedgerEntry, str]] = field(default_factory=list)
    unmarks: list[UUID] = field(default_factory=list)


class Rebuilding:
    """`pool` is the worker role's: it sees every organization."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(
        self,
        *,
        org_id: UUID | None,
        source: Source,
        apply: bool,
        after: RebuildPlace = BEGINNING,
        limit: int = SLICE_MAX,
    ) -> Slice:
        """The next slice: compares it and, if told to, puts it right. Of all organizations if `org_id` is
        None. From the ledger, entries that belong to no known call follow the calls."""
        async with transaction(self._pool) as conn:
            until, now = await foldings.lock_place(conn)
            if isinstance(after, AfterEntry):
                place = Place(xid=after.xid, position=after.position)
                done = await _loose_slice(conn, org_id, apply=apply, after=place, until=until, now=now)
            else:
                done = await _call_slice(
                    conn, org_id, source, apply=apply, after=after.call_id, until=until, limit=limit, now=now
                )
            await failpoints.hit("rebuild.before_commit")
        return done


async def _call_slice(
    conn: Connection,
    org_id: UUID | None,
    source: Source,
    *,
    apply: bool,
    after: UUID | None,
    until: Place,
    limit: int,
    now: datetime,
) -> Slice:
    ids = await own_facts.list_ids_after(conn, org_id=org_id, after=after, limit=limit)
    if not ids:
        end = _LEDGER_BEGINNING if source is Source.LEDGER else None
        return Slice(checked=0, differences=[], applied=0, next=end)
    present = {call.id: call for call in await calls.lock_many(conn, provider_ids=[], own_ids=ids)}
    # Read after the rows are locked: whoever writes a call writes these with it.
    known = await own_facts.list_calls(conn, ids)
    known = known[: await ledger.fit(conn, [_key(call) for call in known])]
    events = _by_call(await call_events.list_of_calls(conn, [call.id for call in known]))
    entries = (
        await _entries(conn, known, until=until)
        if source is Source.LEDGER
        else {call.id: [_entry(call, event) for event in events[call.id]] for call in known}
    )
    redactions = await call_settings.redactions(conn, {call.org_id for call in known})
    retold = [retell(call, entries[call.id], redactions=redactions, now=now) for call in known]
    found = await _differences(conn, present, events, retold, source=source)
    applied = await _put_right(conn, present, events, retold, found) if apply else 0
    return Slice(checked=len(known), differences=found, applied=applied, next=AfterCall(known[-1].id))


async def _entries(
    conn: Connection, known: Sequence[Call], *, until: Place
) -> Mapping[UUID, list[LedgerEntry]]:
    ids = {_key(call): call.id for call in known if call.provider_call_id is not None}
    entries: dict[UUID, list[LedgerEntry]] = {call.id: [] for call in known}
    for provider_call_id, entry in await ledger.list_of_calls(conn, list(ids), until=until):
        entries[ids[entry.org_id, entry.provider, provider_call_id]].append(entry)
    return entries


async def _differences(
    conn: Connection,
    present: Mapping[UUID, Call],
    events: Mapping[UUID, Sequence[NewCallEvent]],
    retold: Sequence[Retold],
    *,
    source: Source,
) -> list[Difference]:
    spoken = await transcripts.list_of_calls(conn, [one.call for one in retold])
    marks = await foldings.list_unparsed(
        conn,
        [event.provider_event_id for one in retold for event in one.events]
        + [entry.id for one in retold for entry, _ in one.unreadable],
    )
    found: list[Difference] = []
    for one in retold:
        call_id = one.call.id
        found += of_call(present.get(call_id), one.call)
        found += of_lines(call_id, spoken[call_id], _right_lines(one))
        if source is Source.LEDGER:
            found += of_events(call_id, events[call_id], one.events)
            found += _of_marks(one, marks)
    return found


async def _put_right(
    conn: Connection,
    present: Mapping[UUID, Call],
    events: Mapping[UUID, Sequence[NewCallEvent]],
    retold: Sequence[Retold],
    found: Sequence[Difference],
) -> int:
    """A call about which more is known than the ledger holds is left alone: it would only lose by it."""
    left_alone = {one.call_id for one in found if not one.repairable}
    wrong = {one.call_id for one in found} - left_alone
    chosen = [one for one in retold if one.call.id in wrong]
    right = [one.call for one in chosen]
    missing = [call for call in right if call.id not in present]
    if missing:
        await calls.insert_many(conn, missing)
    await own_facts.write_back(conn, [call.id for call in right])
    await calls.update_many(conn, right)
    have = {event.provider_event_id for told in events.values() for event in told}
    new_events = [event for one in chosen for event in one.events if event.provider_event_id not in have]
    await call_events.append(conn, new_events)
    await _write_lines(conn, [one for one in chosen if _has(found, one.call.id, "transcripts")])
    await foldings.unmark_unparsed(conn, [event.provider_event_id for one in chosen for event in one.events])
    await foldings.mark_unparsed(conn, [mark for one in chosen for mark in one.unreadable])
    return sum(one.call_id in wrong for one in found)


async def _write_lines(conn: Connection, retold: Sequence[Retold]) -> None:
    await transcripts.clear(conn, [one.call for one in retold])
    tellings = [(one.call, _whole(one)) for one in retold if one.tellings]
    if tellings:
        await transcripts.write(conn, tellings)


async def _loose_slice(
    conn: Connection, org_id: UUID | None, *, apply: bool, after: Place, until: Place, now: datetime
) -> Slice:
    """Entries that left no trace: unreadable ones, and those of calls of which nothing at all is left."""
    entries, place = await ledger.list_loose(conn, org_id=org_id, after=after, until=until, limit=_LOOSE_MAX)
    marks: list[tuple[LedgerEntry, str]] = []
    groups: dict[tuple[UUID, str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        message = read(entry.body)
        if isinstance(message, Message):
            groups[entry.org_id, entry.provider, message.provider_call_id].append(entry)
        else:
            marks.append((entry, message.reason))
    retold = await _begun(conn, groups, now=now) if groups else []
    found = [_mark(None, entry.id, Kind.MISSING) for entry, _ in marks]
    found += [Difference(call_id=one.call.id, table="calls", kind=Kind.MISSING) for one in retold]
    if apply and found:
        await foldings.mark_unparsed(conn, marks)
        await _put_right(conn, {}, {}, retold, found)
        await _write_lines(conn, retold)
    return Slice(
        checked=len(retold),
        differences=found,
        applied=len(found) if apply else 0,
        next=AfterEntry(xid=place.xid, position=place.position) if place else None,
    )


async def _begun(
    conn: Connection, groups: Mapping[tuple[UUID, str, str], Sequence[LedgerEntry]], *, now: datetime
) -> list[Retold]:
    """Calls whose identity is lost get a new one, as old as what is left of them."""
    ids = await calls.new_ids(conn, count=len(groups))
    redactions = await call_settings.redactions(conn, {org_id for org_id, _, _ in groups})
    return [
        retell(
            calls_domain.new_call(
                call_id, org_id=key[0], provider=key[1], provider_call_id=key[2], now=told[0].received_at
            ),
            told,
            redactions=redactions,
            now=now,
        )
        for call_id, (key, told) in zip(ids, groups.items(), strict=True)
    ]


def _right_lines(retold: Retold) -> dict[int, tuple[str, Line]]:
    """By number; of two live lines with one number the later one stays."""
    return {
        line.line_no: (telling.source.value, line) for telling in retold.tellings for line in telling.lines
    }


def _whole(retold: Retold) -> Telling:
    """All lines as one telling; those of a call come from one source."""
    lines = [line for _, line in _right_lines(retold).values()]
    return Telling(source=retold.tellings[0].source, lines=lines)


def _of_marks(retold: Retold, marks: Mapping[UUID, str]) -> list[Difference]:
    call_id = retold.call.id
    found = [
        _mark(call_id, event.provider_event_id, Kind.EXTRA)
        for event in retold.events
        if event.provider_event_id in marks
    ]
    for entry, reason in retold.unreadable:
        if marks.get(entry.id) != reason:
            found.append(_mark(call_id, entry.id, Kind.CHANGED if entry.id in marks else Kind.MISSING))
    return found


def _mark(call_id: UUID | None, entry_id: UUID, kind: Kind) -> Difference:
    return Difference(call_id=call_id, table="unparsed_events", kind=kind, row=str(entry_id))


def _entry(call: Call, event: NewCallEvent) -> LedgerEntry:
    """An event as the webhook it was. The id beside the message is for events whose webhook had it there."""
    return LedgerEntry(
        id=event.provider_event_id,
        org_id=event.org_id,
        provider=call.provider,
        body=msgspec.json.encode({"message": event.payload, "call": {"id": call.provider_call_id}}),
        received_at=event.received_at,
        traceparent="",
    )


def _by_call(events: Sequence[NewCallEvent]) -> Mapping[UUID, list[NewCallEvent]]:
    found: dict[UUID, list[NewCallEvent]] = defaultdict(list)
    for event in events:
        found[event.call_id].append(event)
    return found


def _key(call: Call) -> tuple[UUID, str, str]:
    return call.org_id, call.provider, call.provider_call_id or ""


def _has(found: Sequence[Difference], call_id: UUID, table: str) -> bool:
    return any(one.call_id == call_id and one.table == table for one in found)
