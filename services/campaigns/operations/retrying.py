"""What a decision on a retry has to know, and the decisions made anew when the policy changes."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.pg import Connection
from services.campaigns.domain.attempts import INFRASTRUCTURE, Attempt
from services.campaigns.domain.campaigns import Campaign
from services.campaigns.domain.contacts import Contact, outcome_of
from services.campaigns.domain.recipient_zones import zones_of
from services.campaigns.domain.retries import History, RetryPolicy, RetryRule, retry_at
from services.campaigns.store import attempts, contacts, waiting_contacts

# A contact has ten attempts at most, a few that were forgiven and the calls it asked for, so that the
# attempts of a page are one bounded list.
_PAGE = 500


async def history(conn: Connection, policy: RetryPolicy, contact: Contact, attempt: Attempt) -> History:
    """Of a contact and the attempt that was its last."""
    rule = policy.rule(outcome_of(attempt))
    counted = rule is not None and rule.max_retries is not None
    earlier = await attempts.list_counted(conn, [contact.id]) if counted else []
    return _history(rule, contact, attempt, [one for one in earlier if one.id != attempt.id])


async def replan(conn: Connection, campaign: Campaign) -> None:
    """Applies a changed policy to the contacts of a locked campaign that wait to be tried again."""
    after = 0
    while page := await contacts.list_waiting(conn, campaign.id, after=after, limit=_PAGE):
        after = page[-1].position
        await _replan_page(conn, campaign.retry_policy, page)


async def _replan_page(conn: Connection, policy: RetryPolicy, page: Sequence[Contact]) -> None:
    tried = await attempts.list_counted(conn, [contact.id for contact in page])
    by_contact: dict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in tried:
        by_contact[attempt.contact_id].append(attempt)
    due: dict[UUID, datetime] = {}
    finished = []
    for contact in page:
        *earlier, last = by_contact[contact.id]
        if last.reason == INFRASTRUCTURE:
            # It used up no attempt, and no rule is about it.
            continue
        outcome = outcome_of(last)
        known = _history(policy.rule(outcome), contact, last, earlier)
        at = retry_at(policy, outcome, known, now=last.ended_at or last.created_at)
        if at is None:
            finished.append(contact.id)
        else:
            due[contact.id] = at
    await waiting_contacts.set_due(conn, due)
    await waiting_contacts.finish(conn, finished)


def _history(rule: RetryRule | None, contact: Contact, last: Attempt, earlier: Sequence[Attempt]) -> History:
    outcome = outcome_of(last)
    looks_at_the_clock = rule is not None and bool(rule.dayparts or rule.another_daypart)
    return History(
        attempts=contact.attempts,
        ended_so=1 + sum(outcome_of(one) == outcome for one in earlier if one.reason != INFRASTRUCTURE),
        called_at=last.placed_at or last.created_at,
        zones=zones_of(contact.phone, time_zone=contact.time_zone) if looks_at_the_clock else (),
    )
