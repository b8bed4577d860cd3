"""Dialing: a slot and a contact become an attempt, the attempt becomes a call.

The decision is one short transaction; the request to `calls` follows its commit and is never part of one. An
intent that a crash left behind is sent again with the same id, which `calls` recognizes: it never dials an id
twice.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from libs import failpoints, telemetry
from libs.errors import Kind, ServiceError
from libs.pg import Connection, Pool, transaction
from services.campaigns.domain.attempts import CallNews, Placement, Result
from services.campaigns.domain.campaigns import Campaign, Mode
from services.campaigns.domain.contacts import Contact
from services.campaigns.domain.dialing import Candidate, Claims, Dial, Dialable, Intent
from services.campaigns.domain.dialing_policies import Gate
from services.campaigns.domain.pace import Pace
from services.campaigns.operations import following
from services.campaigns.operations.budgeting import has_money
from services.campaigns.operations.contactability import GateReading, choose
from services.campaigns.operations.following import Patience
from services.campaigns.store import attempts, budgets, campaigns, contacts, dials, slots

failpoints.register("dial.before_intent", "dial.before_post", "dial.after_post", "dial.after_commit")

_log = telemetry.logger(__name__)

# Between requests with the same id while `calls` is away: the first pause, how it grows, and the longest.
_AGAIN_SECONDS_FIRST = 0.4
_AGAIN_GROWTH = 1.2
_AGAIN_SECONDS_MAX = 2.0


class Calls(Protocol):
    async def place(self, dial: Dial) -> Placement: ...

    async def find_call(self, call_id: UUID, *, org_id: UUID) -> CallNews | None: ...

    async def count_others(self, phone_number_id: str, *, campaign_id: UUID, org_id: UUID) -> int: ...


_NOTHING = Claims((), more=False)


@dataclass(slots=True)
class _Turn:
    """A locked campaign, and what its transaction has come to so far."""

    campaign: Campaign
    now: datetime
    gate: Gate
    cost_usd: Decimal
    dials: list[Dial] = field(default_factory=list)
    more: bool = True

    @property
    def locked(self) -> campaigns.Locked:
        return campaigns.Locked(self.campaign, self.now)


class Dialing:
    """`pool` is the worker role's. `minute_cost_max_usd` as of `Config`."""

    def __init__(
        self,
        pool: Pool,
        calls: Calls,
        *,
        patience: Patience,
        minute_cost_max_usd: Decimal,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._patience = patience
        self._monotonic = monotonic
        self._gates = GateReading()
        self._minute_cost_max_usd = minute_cost_max_usd

    async def list_dialable(self, *, limit: int) -> Dialable:
        async with transaction(self._pool) as conn:
            looked_at = await campaigns.read_clock(conn)
            return Dialable(await campaigns.list_dialable(conn, limit=limit), looked_at)

    async def seconds_until_due(self, *, since: datetime) -> float | None:
        """Until it is worth looking again; what fell due after `since` was not seen by the look of then."""
        async with transaction(self._pool) as conn:
            return await campaigns.seconds_until_due(conn, since=since)

    async def is_line_quiet(self, candidate: Candidate) -> bool:
        """Whether the campaign may dial as far as its number goes. Somebody may come onto it right after the
        look. Raises ServiceError if nobody can be asked."""
        if not candidate.line_quiet:
            return True
        others = await self._calls.count_others(
            candidate.phone_number_id, campaign_id=candidate.id, org_id=candidate.org_id
        )
        return others == 0

    async def claim(self, campaign_id: UUID, *, limit: int) -> Claims:
        """Decides on the next attempts of a campaign: as many as it has free slots and people to call and may
        dial now, `limit` at most."""
        await failpoints.hit("dial.before_intent")
        # Taken before the intents exist, so that the fence errs on the early side.
        deadline = self._monotonic() + self._patience.fence_seconds
        async with transaction(self._pool) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None or not locked.campaign.is_under_way:
                return _NOTHING
            gate = await self._gates.read(conn, locked.campaign)
            if gate is None:
                return Claims((), more=True)
            if gate.killed:
                return _NOTHING
            cost_usd = gate.call_cost_max_usd(minute_usd=self._minute_cost_max_usd)
            turn = _Turn(locked.campaign, locked.now, gate, cost_usd)
            while len(turn.dials) < limit and await self._claim_next(conn, turn):
                pass
        return Claims([Intent(dial, deadline) for dial in turn.dials], more=turn.more)

    async def _claim_next(self, conn: Connection, turn: _Turn) -> bool:
        """Adds a dial to the turn. False if that cannot be, now or in this turn."""
        taken = await slots.count_taken(conn, turn.campaign.id)
        slot_no = await slots.find_free(conn, turn.campaign.id)
        turn.more = (
            slot_no is not None
            and _pace(turn.campaign).may_dial(taken=taken, now=turn.now)
            and await has_money(conn, turn.locked, turn.gate, cost_usd=turn.cost_usd)
            and await self._is_batch_open(conn, turn)
        )
        if slot_no is None or not turn.more:
            return False
        rules = turn.gate.rules(max_attempts=turn.campaign.max_attempts)
        found = await choose(conn, turn.locked, rules)
        turn.more = found.more
        if found.contact is None:
            await following.complete_if_done(conn, turn.campaign)
            return False
        await self._keep_pace(conn, turn, taken=taken)
        turn.dials.append(await self._begin(conn, turn, found.contact, slot_no=slot_no))
        return True

    async def place(self, intent: Intent) -> bool:
        """Sends the request, unless its time is over, and records the answer. An error leaves the intent as
        it is, to be sent again later. Returns whether the slot is free again."""
        dial = intent.dial
        with telemetry.span(
            "dial contact",
            traceparent=dial.traceparent or None,
            attributes={
                "callplane.campaign_id": str(dial.campaign_id),
                "callplane.attempt_id": str(dial.attempt_id),
            },
        ):
            await failpoints.hit("dial.before_post")
            if not intent.sent_before and await self._is_forbidden_by_now(dial):
                return True
            if self._monotonic() >= intent.deadline:
                _log.warning("dial too late", attempt_id=str(dial.attempt_id))
                return False
            placement = await self._answer(intent)
            await failpoints.hit("dial.after_post")
            async with transaction(self._pool) as conn:
                await following.apply_placement(conn, dial.attempt_id, placement, patience=self._patience)
            await failpoints.hit("dial.after_commit")
            return placement.result is Result.REFUSED

    async def _answer(self, intent: Intent) -> Placement:
        """Asks until there is an answer, however long `calls` is away: an intent that nobody asks for any
        more keeps its slot until it is looked after."""
        pause_seconds = _AGAIN_SECONDS_FIRST
        while True:
            try:
                return await self._calls.place(intent.dial)
            except ServiceError as exc:
                if exc.kind is not Kind.UNAVAILABLE:
                    raise
                # Shorter than the time to begin, or it would be over by then.
                await asyncio.sleep(
                    min(pause_seconds, self._patience.fence_seconds / 2) * random.uniform(0.8, 1.2)
                )
                kept = await self._kept(intent)
                if kept is None:
                    raise
                intent = kept
                pause_seconds = min(pause_seconds * _AGAIN_GROWTH, _AGAIN_SECONDS_MAX)

    async def _kept(self, intent: Intent) -> Intent | None:
        """The intent with its time begun anew, while its own dialer still has it; None if its time to begin
        is over. Nor is one sent again that is not wanted any more, but it cannot be given back here, because
        its call may have been made; that is found out later. Who looks after lost intents has each for one
        time only, because others wait to be looked after."""
        if self._monotonic() >= intent.deadline:
            return None
        deadline = self._monotonic() + self._patience.fence_seconds
        async with transaction(self._pool) as conn:
            if not await dials.is_wanted(conn, intent.dial.attempt_id):
                return None
            if intent.sent_before:
                return intent
            await attempts.put_off_check(
                conn, intent.dial.attempt_id, check_in_seconds=self._patience.intent_seconds
            )
        # Later than that, somebody may have looked after it just before it was put off.
        return replace(intent, deadline=deadline) if self._monotonic() < intent.deadline else None

    async def _is_forbidden_by_now(self, dial: Dial) -> bool:
        """What was decided a moment ago may have been forbidden since; then it is given back, unless somebody
        has begun to look after it."""
        async with transaction(self._pool) as conn:
            if await dials.is_wanted(conn, dial.attempt_id):
                return False
            await campaigns.lock(conn, dial.campaign_id)
            if await attempts.is_untouched(
                conn, dial.attempt_id, check_in_seconds=self._patience.intent_seconds
            ):
                await following.give_back(conn, dial.attempt_id, reason="NOT_WANTED", patience=self._patience)
        return True

    async def _is_batch_open(self, conn: Connection, turn: _Turn) -> bool:
        """Opens the next batch when the last one is full and over; False while it is full and not over."""
        campaign = turn.campaign
        if campaign.mode is not Mode.BATCH:
            return True
        batch = await attempts.count_batch(conn, campaign.id, batch_no=campaign.batch_no)
        if batch.attempts < campaign.batch_size:
            return True
        if batch.open:
            return False
        turn.campaign = replace(campaign, batch_no=campaign.batch_no + 1, batch_size=campaign.cap)
        await campaigns.open_batch(
            conn, campaign.id, batch_no=turn.campaign.batch_no, batch_size=turn.campaign.batch_size
        )
        return True

    async def _keep_pace(self, conn: Connection, turn: _Turn, *, taken: int) -> None:
        """`taken` slots before the one for this intent."""
        pace = _pace(turn.campaign)
        changed = pace.after_intent(taken=taken, now=turn.now)
        if changed != pace:
            turn.campaign = replace(
                turn.campaign,
                line_limit=changed.line_limit,
                probe_at=changed.probe_at,
                refusals=changed.refusals,
            )
            await campaigns.set_pace(conn, turn.campaign.id, changed)

    async def _begin(self, conn: Connection, turn: _Turn, contact: Contact, *, slot_no: int) -> Dial:
        campaign = turn.campaign
        attempt_id = await attempts.insert_intent(
            conn,
            org_id=campaign.org_id,
            campaign_id=campaign.id,
            contact_id=contact.id,
            batch_no=campaign.batch_no if campaign.mode is Mode.BATCH else 0,
            check_in_seconds=self._patience.intent_seconds,
        )
        await slots.take(conn, campaign.id, slot_no, attempt_id=attempt_id)
        await contacts.begin_attempt(conn, contact.id, attempt_id=attempt_id)
        await budgets.reserve(
            conn,
            attempt_id,
            org_id=campaign.org_id,
            campaign_id=campaign.id,
            amount_usd=turn.cost_usd,
            now=turn.now,
        )
        return await dials.get(conn, attempt_id)


def _pace(campaign: Campaign) -> Pace:
    return Pace(campaign.line_limit, campaign.probe_at, campaign.refusals)
