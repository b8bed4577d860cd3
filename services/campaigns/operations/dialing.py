"""Dialing: a slot and a contact become an attempt, the attempt becomes a call.

The decision is one short transaction; the request to `calls` follows its commit and is never part of one. An
intent that a crash left behind is sent again with the same id, which `calls` recognizes: it never dials an id
twice.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from libs import failpoints, telemetry
from libs.pg import Connection, Lease, Pool, transaction
from services.campaigns.domain.attempts import CallNews, Placement
from services.campaigns.domain.campaigns import Campaign, Mode
from services.campaigns.domain.contacts import Contact
from services.campaigns.domain.dialing import Candidate, Dial
from services.campaigns.domain.pace import Pace
from services.campaigns.operations import following
from services.campaigns.operations.budgeting import has_money
from services.campaigns.operations.contactability import GateReading, choose
from services.campaigns.operations.following import SCHEMA, Patience
from services.campaigns.store import attempts, budgets, campaigns, contacts, dials, slots

failpoints.register("dial.before_intent", "dial.before_post", "dial.after_post", "dial.after_commit")

_log = telemetry.logger(__name__)

_LEASE_SECONDS = 5.0


class Calls(Protocol):
    async def place(self, dial: Dial) -> Placement: ...

    async def find_call(self, call_id: UUID, *, org_id: UUID) -> CallNews | None: ...

    async def count_others(self, phone_number_id: str, *, campaign_id: UUID, org_id: UUID) -> int: ...


@dataclass(frozen=True, slots=True)
class Dialable:
    """Campaigns that may have somebody to call, and the database's time before the look."""

    campaigns: Sequence[Candidate]
    looked_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt that is decided and stored. After the deadline (monotonic) whoever looks after lost intents
    may have judged it, so its dialer must not send it any more."""

    dial: Dial
    deadline: float
    # It was sent before, or may have been.
    sent_before: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """`more`: there may be another one, even if this was none."""

    intent: Intent | None
    more: bool


_NOTHING = Claim(None, more=False)


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

    def lease(self, campaign_id: UUID) -> Lease:
        """Spares two processes from deciding for the same campaign at once; the cap does not depend on it."""
        return Lease(self._pool, schema=SCHEMA, name=f"dialing:{campaign_id}", ttl_seconds=_LEASE_SECONDS)

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

    async def claim(self, campaign_id: UUID) -> Claim:
        """Decides on the next attempt of a campaign, if it has a free slot, somebody to call, and may dial
        now."""
        await failpoints.hit("dial.before_intent")
        # Taken before the intent exists, so that the fence errs on the early side.
        deadline = self._monotonic() + self._patience.fence_seconds
        async with transaction(self._pool) as conn:
            locked = await campaigns.lock(conn, campaign_id)
            if locked is None or not locked.campaign.is_under_way:
                return _NOTHING
            campaign = locked.campaign
            pace = Pace(campaign.line_limit, campaign.probe_at, campaign.refusals)
            taken = await slots.count_taken(conn, campaign_id)
            slot_no = await slots.find_free(conn, campaign_id)
            if slot_no is None or not pace.may_dial(taken=taken, now=locked.now):
                return _NOTHING
            gate = await self._gates.read(conn, campaign)
            if gate is None:
                return Claim(None, more=True)
            cost_usd = gate.call_cost_max_usd(minute_usd=self._minute_cost_max_usd)
            may_dial = not gate.killed and await has_money(conn, locked, gate, cost_usd=cost_usd)
            batch_no = await self._batch(conn, campaign) if may_dial else None
            if batch_no is None:
                return _NOTHING
            found = await choose(conn, locked, gate.rules(max_attempts=campaign.max_attempts))
            if found.contact is None:
                await following.complete_if_done(conn, campaign)
                return Claim(None, more=found.more)
            changed = pace.after_intent(taken=taken, now=locked.now)
            if changed != pace:
                await campaigns.set_pace(conn, campaign_id, changed)
            dial = await self._begin(conn, campaign, found.contact, slot_no=slot_no, batch_no=batch_no)
            await budgets.reserve(
                conn,
                dial.attempt_id,
                org_id=campaign.org_id,
                campaign_id=campaign.id,
                amount_usd=cost_usd,
                now=locked.now,
            )
        return Claim(Intent(dial, deadline), more=True)

    async def place(self, intent: Intent) -> None:
        """Sends the request, unless its time is over, and records the answer. An error leaves the intent as
        it is, to be sent again later."""
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
                return
            if self._monotonic() >= intent.deadline:
                _log.warning("dial too late", attempt_id=str(dial.attempt_id))
                return
            placement = await self._calls.place(dial)
            await failpoints.hit("dial.after_post")
            async with transaction(self._pool) as conn:
                await following.apply_placement(conn, dial.attempt_id, placement, patience=self._patience)
            await failpoints.hit("dial.after_commit")

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

    async def _batch(self, conn: Connection, campaign: Campaign) -> int | None:
        """The number of the batch to dial in, or None while the last one is full and not over."""
        if campaign.mode is not Mode.BATCH:
            return 0
        batch = await attempts.count_batch(conn, campaign.id, batch_no=campaign.batch_no)
        if batch.attempts < campaign.batch_size:
            return campaign.batch_no
        if batch.open:
            return None
        await campaigns.open_batch(conn, campaign.id, batch_no=campaign.batch_no + 1, batch_size=campaign.cap)
        return campaign.batch_no + 1

    async def _begin(
        self, conn: Connection, campaign: Campaign, contact: Contact, *, slot_no: int, batch_no: int
    ) -> Dial:
        attempt_id = await attempts.insert_intent(
            conn,
            org_id=campaign.org_id,
            campaign_id=campaign.id,
            contact_id=contact.id,
            number=contact.attempts + 1,
            batch_no=batch_no,
            check_in_seconds=self._patience.intent_seconds,
        )
        await slots.take(conn, campaign.id, slot_no, attempt_id=attempt_id)
        await contacts.begin_attempt(conn, contact.id, attempt_id=attempt_id)
        return await dials.get(conn, attempt_id)
