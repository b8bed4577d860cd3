"""Applying ledger entries to the record of calls, many at a time and inside the caller's transaction.

Whatever becomes true is written together: call, events, transcript, priority, lead, line, outbox. Applying
an entry again changes nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import structs

from libs import outbox, telemetry
from libs.outbox import NewEvent
from libs.pg import Connection
from services.calls import events
from services.calls.domain import facts, record, telling
from services.calls.domain.call import Call, Direction, Status, TranscriptSource
from services.calls.domain.call_events import NewCallEvent
from services.calls.domain.ended_reasons import kind_of, status_of
from services.calls.domain.messages import Message, Unreadable, read_told, whole
from services.calls.domain.priority import Request, judge
from services.calls.domain.redaction import NOTHING, Redaction, redacted_facts, redacted_telling
from services.calls.domain.transcript import Telling, telling_of
from services.calls.domain.webhooks import LedgerEntry
from services.calls.operations.lead_keeping import LeadKeeping
from services.calls.operations.rule_books import RuleBooks
from services.calls.store import (
    accounts,
    call_events,
    call_settings,
    calls,
    foldings,
    lines,
    own_facts,
    transcripts,
)

# Whose call it is, at which provider, under which id.
CallKey = tuple[UUID, str, str]


@dataclass(slots=True, kw_only=True)
class _Told:
    """One readable entry and what it says."""

    entry: LedgerEntry
    message: Message
    telling: Telling | None
    facts: Mapping[str, facts.Fact]


@dataclass(slots=True, kw_only=True, eq=False)
class _Step:
    """A call before and after a batch. `created`: it has no row yet."""

    before: Call
    after: Call
    created: bool
    told: Sequence[_Told]
    best: dict[Any, Telling] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return self.created or self.before != self.after

    @property
    def traceparent(self) -> str:
        """Of the latest webhook that belongs to a trace."""
        return next((one.entry.traceparent for one in reversed(self.told) if one.entry.traceparent), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    """All there is to know about a call: its row, its events, its conversation, and what could not be
    read."""

    call: Call
    events: Sequence[NewCallEvent]
    tellings: Sequence[Telling]
    unreadable: Sequence[tuple[LedgerEntry, str]]


def retell(
    call: Call, entries: Sequence[LedgerEntry], *, redactions: Mapping[UUID, Redaction], now: datetime
) -> Retold:
    """`call` as it stands before the provider has told anything; `entries` everything that was told. What was
    judged stays as it was judged."""
    told, unreadable = _read(entries, redactions)
    if not told:
        return Retold(call=record.told(call, {}), events=[], tellings=[], unreadable=unreadable)
    step = _joined(call, told, created=False, now=now)
    tellings = list(step.best.values())
    if step.after.transcript_source is TranscriptSource.LIVE:
        spoken = {line.line_no for telling in tellings for line in telling.lines}
        step.after = replace(step.after, transcript_lines=len(spoken))
    events_told = [structs.replace(_call_event(call.id, one), payload=whole(one.message)) for one in told]
    return Retold(call=step.after, events=events_told, tellings=tellings, unreadable=unreadable)


class Record:
    def __init__(self, rule_books: RuleBooks) -> None:
        self._rule_books = rule_books
        self._leads = LeadKeeping(rule_books)

    async def apply(self, conn: Connection, entries: Sequence[LedgerEntry], *, now: datetime) -> list[str]:
        """Returns the reasons of the entries that could not be read."""
        redactions = await call_settings.redactions(conn, {entry.org_id for entry in entries})
        told, unreadable = _read(entries, redactions)
        if unreadable:
            await foldings.mark_unparsed(conn, unreadable)
        if told:
            groups = _by_call(told)
            unchanged = await _nothing_new(conn, groups)
            changing = {key: group for key, group in groups.items() if key not in unchanged}
            steps = await self._begin(conn, changing, now=now) if changing else []
            heard = [_call_event(call_id, one) for key, call_id in unchanged.items() for one in groups[key]]
            await self._write(conn, steps, heard, now=now)
            await foldings.unmark_unparsed(conn, [one.entry.id for one in told])
        return [reason for _, reason in unreadable]

    async def _begin(
        self, conn: Connection, groups: Mapping[CallKey, Sequence[_Told]], *, now: datetime
    ) -> list[_Step]:
        """Finds or begins the call of each group and joins what was told."""
        own_ids = {key: own for key, group in groups.items() if (own := _own_call_id(group)) is not None}
        ids = await own_facts.find_ids(conn, list(groups))
        known = await calls.lock_many(conn, provider_ids=[], own_ids=[*ids, *own_ids.values()])
        found = _match(known, own_ids)
        missing = [key for key in groups if key not in found]
        begun = await _begun(conn, missing, now=now) if missing else {}
        return [
            _joined(found.get(key) or begun[key], group, created=key not in found, now=now)
            for key, group in groups.items()
        ]

    async def _write(
        self, conn: Connection, steps: Sequence[_Step], heard: Sequence[NewCallEvent], *, now: datetime
    ) -> None:
        """`heard` are events that change nothing."""
        created = [step for step in steps if step.created]
        if created:
            await _find_accounts(conn, created)
            await calls.insert_many(conn, [step.before for step in created])
        told = [_call_event(step.after.id, one) for step in steps for one in step.told]
        await call_events.append(conn, [*told, *heard])
        await _write_lines(conn, steps)
        await self._judge(conn, steps)
        changed = [step for step in steps if step.changed]
        await _update(conn, changed)
        await _keep_lines(conn, changed)
        new_events = [event for step in steps for event in _events(step)]
        new_events += await self._leads.keep(
            conn, [(step.after, step.traceparent) for step in changed if step.after.reported_at], now=now
        )
        await outbox.append(conn, events.SCHEMA, new_events)

    async def _judge(self, conn: Connection, steps: Sequence[_Step]) -> None:
        """Counts the lines of live conversations, and judges calls that came in as soon as their report is
        there."""
        reported = [step for step in steps if _is_to_be_judged(step)]
        live = [step for step in steps if _is_live(step)]
        if not reported and not live:
            return
        spoken = await transcripts.summaries(conn, [step.after for step in {*reported, *live}])
        for step in live:
            step.after = replace(step.after, transcript_lines=spoken.get(step.after.id, (0, ""))[0])
        for step in reported:
            rules = await self._rule_books.of(conn, step.after.org_id)
            said = spoken.get(step.after.id, (0, ""))[1]
            judgement = judge(rules, _request(step.after, said=said))
            step.after = record.judged(step.after, judgement, hours=rules.business_hours)


def _read(
    entries: Sequence[LedgerEntry], redactions: Mapping[UUID, Redaction]
) -> tuple[list[_Told], list[tuple[LedgerEntry, str]]]:
    told: list[_Told] = []
    unreadable: list[tuple[LedgerEntry, str]] = []
    for entry in entries:
        message = read_told(entry.body)
        if isinstance(message, Unreadable):
            unreadable.append((entry, message.reason))
            continue
        kinds = redactions.get(entry.org_id, NOTHING)
        conversation = redacted_telling(telling_of(message), kinds)
        said = telling.facts_told(message, conversation, received_at=entry.received_at)
        kept = redacted_facts(said, kinds)
        told.append(_Told(entry=entry, message=message, telling=conversation, facts=kept))
    return told, unreadable


def _by_call(told: Sequence[_Told]) -> dict[CallKey, list[_Told]]:
    groups: dict[CallKey, list[_Told]] = defaultdict(list)
    for one in told:
        groups[one.entry.org_id, one.entry.provider, one.message.provider_call_id].append(one)
    return groups


async def _nothing_new(conn: Connection, groups: Mapping[CallKey, Sequence[_Told]]) -> dict[CallKey, UUID]:
    """The calls about which these entries only say once more that the conversation goes on; their rows need
    not be touched."""
    chatter = {key: group for key, group in groups.items() if all(map(_is_chatter, group))}
    found = await calls.list_facts(conn, list(chatter)) if chatter else []
    unchanged = {}
    for call in found:
        key = (call.org_id, call.provider, call.provider_call_id)
        if call.settled and all(_adds_nothing(one, call.facts) for one in chatter[key]):
            unchanged[key] = call.id
    return unchanged


def _is_chatter(one: _Told) -> bool:
    return one.message.type in telling.CHATTER


def _adds_nothing(one: _Told, known: Mapping[str, facts.Fact]) -> bool:
    """Nothing to know better, and no lines."""
    if facts.are_news(one.facts, known=known):
        return False
    return one.telling is None or not telling.is_best_telling(one.facts["transcript"], facts=known)


def _own_call_id(group: Sequence[_Told]) -> UUID | None:
    return next((one.message.own_call_id for one in group if one.message.own_call_id is not None), None)


def _match(known: Sequence[Call], own_ids: Mapping[CallKey, UUID]) -> dict[CallKey, Call]:
    """A call is found by the provider's id; else by ours, if it is the same organization's and has no
    other."""
    found = {
        (call.org_id, call.provider, call.provider_call_id): call
        for call in known
        if call.provider_call_id is not None
    }
    waiting = {call.id: call for call in known if call.provider_call_id is None}
    for key, own_id in own_ids.items():
        call = waiting.get(own_id)
        if key not in found and call is not None and (call.org_id, call.provider) == key[:2]:
            found[key] = waiting.pop(own_id)
    return found


def _new_call(key: CallKey, call_id: UUID, *, now: datetime) -> Call:
    org_id, provider, provider_call_id = key
    return record.new_call(
        call_id, org_id=org_id, provider=provider, provider_call_id=provider_call_id, now=now
    )


async def _begun(conn: Connection, keys: Sequence[CallKey], *, now: datetime) -> Mapping[CallKey, Call]:
    """New calls; one that was known before and whose row is gone keeps its id."""
    new_ids = await calls.new_ids(conn, count=len(keys))
    begun = {key: _new_call(key, call_id, now=now) for key, call_id in zip(keys, new_ids, strict=True)}
    known = await own_facts.find_calls(conn, keys)
    return begun | {(call.org_id, call.provider, call.provider_call_id or ""): call for call in known}


def _joined(call: Call, group: Sequence[_Told], *, created: bool, now: datetime) -> _Step:
    known = dict(call.facts)
    for one in group:
        known = facts.join(known, one.facts)
    after = call
    if call.placement is not None:
        after = record.attached(call, provider_call_id=group[0].message.provider_call_id, now=now)
    step = _Step(before=call, after=record.told(after, known), created=created, told=group)
    for one in group:
        if one.telling is not None and telling.is_best_telling(one.facts["transcript"], facts=known):
            # Live lines add up; otherwise equal tellings are the same lines.
            live = one.telling.source is TranscriptSource.LIVE
            step.best[one.entry.id if live else one.telling.source] = one.telling
    return step


def _call_event(call_id: UUID, one: _Told) -> NewCallEvent:
    return NewCallEvent(
        org_id=one.entry.org_id,
        call_id=call_id,
        provider_event_id=one.entry.id,
        type=one.message.type,
        status=_status_alone(one),
        occurred_at=one.message.told_at or one.entry.received_at,
        received_at=one.entry.received_at,
        payload=one.message.content,
        json=one.message.json,
    )


def _status_alone(one: _Told) -> str | None:
    status = telling.status_told(one.message)
    if status is Status.ENDED:
        kind = kind_of(facts.value_of(one.facts, "ended_reason") or "")
        status = status_of(kind, spoke=bool(facts.value_of(one.facts, "user_spoke")))
    return status.value if status else None


def _request(call: Call, *, said: str) -> Request:
    """By the rules in force when the call ended."""
    return Request(
        description=call.problem_description,
        summary=call.summary,
        transcript=said,
        customer_type=facts.value_of(call.facts, "customer_type") or "",
        value=call.estimated_value or 0,
        at=call.ended_at or call.created_at,
    )


def _is_live(step: _Step) -> bool:
    return bool(step.best) and step.after.transcript_source is TranscriptSource.LIVE


def _is_to_be_judged(step: _Step) -> bool:
    """Not on a mere replay: what was judged by yesterday's rules stays so."""
    call = step.after
    return (
        call.direction is Direction.INBOUND
        and call.reported_at is not None
        and (step.changed or _is_live(step))
    )


async def _update(conn: Connection, steps: Sequence[_Step]) -> None:
    talk: list[Call] = []
    others: list[Call] = []
    for step in steps:
        same = not step.created and record.is_same_but_for_the_talk(step.before, step.after)
        (talk if same else others).append(step.after)
    if talk:
        await calls.update_conversations(conn, talk)
    if others:
        await calls.update_many(conn, others)


async def _write_lines(conn: Connection, steps: Sequence[_Step]) -> None:
    """Only what is new, where lines are added to those that are there."""
    whole: list[tuple[Call, Telling]] = []
    more: list[tuple[Call, Telling]] = []
    for step in steps:
        known = step.before.facts.get("transcript")
        for told in step.best.values():
            added = telling.added_to(known, told)
            (whole if added is None else more).append((step.after, added or told))
    if whole:
        await transcripts.write(conn, whole)
    if more:
        await transcripts.add(conn, more)


async def _find_accounts(conn: Connection, steps: Sequence[_Step]) -> None:
    """Through which account calls came that we did not place."""
    arrivals = [
        accounts.Arrival(
            org_id=step.after.org_id,
            provider=step.after.provider,
            source_id=step.told[0].entry.source_id,
            phone_number_id=step.after.phone_number_id,
        )
        for step in steps
    ]
    for step, account_id in zip(steps, await accounts.find_owners(conn, arrivals), strict=True):
        step.before = replace(step.before, provider_account_id=account_id)
        step.after = replace(step.after, provider_account_id=account_id)


async def _keep_lines(conn: Connection, steps: Sequence[_Step]) -> None:
    """A call that came in holds a line while it lasts, if one is free; whatever ends gives its line back."""
    coming: dict[tuple[UUID, UUID | None], list[UUID]] = defaultdict(list)
    for step in steps:
        call = step.after
        if step.created and call.direction is Direction.INBOUND and not call.status.terminal:
            coming[call.org_id, call.provider_account_id].append(call.id)
    for (org_id, account_id), call_ids in coming.items():
        await lines.take_inbound(conn, org_id=org_id, account_id=account_id, call_ids=call_ids)
    over = [step.after.id for step in steps if step.after.status.terminal and not step.before.status.terminal]
    if over:
        await lines.release(conn, call_ids=over)


def _events(step: _Step) -> list[NewEvent]:
    news, call = record.news(step.before, step.after), step.after
    over = events.call_failed if call.status is Status.FAILED else events.call_ended
    said = [
        events.call_placed(call) if news.placed else None,
        events.call_started(call) if news.started else None,
        events.conversation_updated(call) if news.talked else None,
        over(call) if news.over else None,
        events.call_reported(call) if news.reported else None,
    ]
    found = [event for event in said if event is not None]
    if not found:
        return []
    traceparent = step.traceparent
    if not telemetry.is_untraced(traceparent):
        with telemetry.span(
            "fold call", traceparent=traceparent or None, attributes={"callplane.call_id": str(call.id)}
        ):
            traceparent = telemetry.current_traceparent()
    return [replace(event, traceparent=traceparent) for event in found]
