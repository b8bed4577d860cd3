"""Choosing whom to call next: a verdict on each contact that is due, until one may be dialed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from libs import outbox
from libs.pg import Connection
from services.campaigns import events
from services.campaigns.domain import contactability
from services.campaigns.domain.campaigns import Campaign
from services.campaigns.domain.contactability import Decision, Rules, Verdict
from services.campaigns.domain.contacts import Contact, budget
from services.campaigns.domain.dialing_policies import Gate
from services.campaigns.operations.following import SCHEMA
from services.campaigns.store import contacts, gates, verdicts
from services.campaigns.store.campaigns import Locked

# As a rule the first one may be called. Behind it whole lists may have to wait for the morning; they are
# passed in batches, and then the transaction ends.
_LOOKS: Final = (1, 25, 100)


@dataclass(frozen=True, slots=True)
class Choice:
    """`more`: there may be somebody to call, even if nobody was found."""

    contact: Contact | None
    more: bool


class GateReading:
    """Reads what holds for a whole campaign, under the lock that this takes. Where dials of an organization
    count for one another they are decided one at a time; which organizations those are is remembered only to
    take the right lock first."""

    def __init__(self) -> None:
        self._counting: set[UUID] = set()

    async def read(self, conn: Connection, campaign: Campaign) -> Gate | None:
        """None if the wrong lock was taken; ask again in a new transaction."""
        alone = campaign.org_id in self._counting
        await (gates.lock_changing if alone else gates.lock_deciding)(conn, campaign.org_id)
        gate = await gates.read(conn, campaign.id, org_id=campaign.org_id)
        if not gate.counts_across_campaigns:
            self._counting.discard(campaign.org_id)
        elif not alone:
            self._counting.add(campaign.org_id)
            return None
        return gate


async def choose(conn: Connection, locked: Locked, rules: Rules) -> Choice:
    """The contact that shall be dialed, its verdict stored. Everybody before it was told to wait, or is
    settled."""
    for limit in _LOOKS:
        due = await contacts.list_due(conn, locked.campaign.id, limit=limit)
        if not due:
            return Choice(None, more=False)
        chosen = await _first_dialable(conn, due, locked, rules)
        if chosen is not None:
            return Choice(chosen, more=True)
    return Choice(None, more=True)


async def _first_dialable(
    conn: Connection, due: list[Contact], locked: Locked, rules: Rules
) -> Contact | None:
    facts = await verdicts.read_facts(
        conn, [contact.id for contact in due], cap=rules.frequency_cap, now=locked.now
    )
    waiting: list[tuple[Contact, Verdict]] = []
    over: list[tuple[Contact, Verdict]] = []
    chosen = None
    for contact in due:
        # It may have fallen due in the moment since the clock was read.
        now = max(locked.now, contact.next_attempt_at or locked.now)
        verdict = contactability.contactability(facts[contact.id], rules_for(contact, rules), now=now)
        if verdict.decision is Decision.DIAL:
            await verdicts.insert(
                conn, contact.id, verdict, org_id=contact.org_id, campaign_id=contact.campaign_id
            )
            chosen = contact
            break
        (waiting if verdict.decision is Decision.WAIT else over).append((contact, verdict))
    if waiting:
        await verdicts.postpone(conn, waiting)
    if over:
        await _pass_over(conn, over)
    return chosen


def rules_for(contact: Contact, rules: Rules) -> Rules:
    """Of the campaign's rules, those for one of its contacts."""
    if not contact.waits_for_callback:
        return rules
    return replace(rules, max_attempts=budget(contact, max_attempts=rules.max_attempts))


async def _pass_over(conn: Connection, over: Sequence[tuple[Contact, Verdict]]) -> None:
    """All at once: whole lists may be suppressed, and others wait for their turn meanwhile."""
    await verdicts.pass_over(conn, over)
    skipped = [
        events.contact_skipped(contact, reason=verdict.reason)
        for contact, verdict in over
        if verdict.decision is Decision.SKIP
    ]
    await outbox.append(conn, SCHEMA, skipped)
