"""What an attempt's news mean for its slot, its contact and its campaign. One way in for the dialer's
answers, for events and for look-ups, so that all of them come to the same end in any order and however
often."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs import failpoints, outbox, telemetry
from libs.pg import Connection
from services.campaigns import events
from services.campaigns.domain import attempts as attempt_domain
from services.campaigns.domain import campaigns as campaign_domain
from services.campaigns.domain import contacts as contact_domain
from services.campaigns.domain.attempts import Attempt, CallNews, Placement, State
from services.campaigns.domain.campaigns import Campaign, Status
from services.campaigns.domain.contactability import Decision, Verdict
from services.campaigns.domain.pace import Pace
from services.campaigns.operations import budgeting, retrying
from services.campaigns.store import attempts, campaigns, contacts, slots, verdicts

SCHEMA = "campaigns"

failpoints.register("permit.before_release")

_log = telemetry.logger(__name__)
_ended = telemetry.meter().create_counter(
    "callplane.campaigns.attempts", description="Attempts that are over, by state."
)

# The campaign cannot go on if its calls are refused for one of these.
_FATAL = frozenset({"ASSISTANT_NOT_FOUND", "PROVIDER_ASSISTANT_NOT_FOUND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for news before asking."""

    # From the decision on an attempt until it is looked after, if its request got no definite answer.
    intent_seconds: float
    # The longest that such a request is at work.
    place_seconds: float
    # While a call is open or unknown.
    stuck_seconds: float
    # For the report on a call that ended without telling who answered.
    report_seconds: float
    # Until a call that `calls` does not know any more is taken for over, beyond the longest time that its
    # assistant sets.
    lost_seconds: float

    @property
    def fence_seconds(self) -> float:
        """How long a request may be begun, so that it is over before anybody looks after its intent: two
        requests with one id are never at work at once."""
        return self.intent_seconds - self.place_seconds


async def apply_placement(
    conn: Connection, attempt_id: UUID, placement: Placement, *, patience: Patience
) -> None:
    await _apply(
        conn,
        attempt_id,
        lambda attempt, now: attempt_domain.after_placement(attempt, placement, now=now),
        patience=patience,
        retry_after_seconds=placement.retry_after_seconds,
    )


async def apply_news(
    conn: Connection,
    attempt_id: UUID,
    news: CallNews,
    *,
    org_id: UUID,
    patience: Patience,
    wait_for_report: bool = True,
) -> None:
    """Ignores what is not an attempt of the organization: calls are placed for others too."""
    await _apply(
        conn,
        attempt_id,
        lambda attempt, now: attempt_domain.after_news(attempt, news, now=now),
        patience=patience,
        org_id=org_id,
        wait_for_report=wait_for_report,
    )


async def give_back(conn: Connection, attempt_id: UUID, *, reason: str, patience: Patience) -> None:
    """Ends an intent that was certainly never sent; it uses up none of the contact's attempts."""
    placement = Placement(result=attempt_domain.Result.REFUSED, reason=reason, infrastructure=True)
    await _apply(
        conn,
        attempt_id,
        lambda attempt, now: attempt_domain.after_placement(attempt, placement, now=now),
        patience=patience,
        keep_pace=True,
    )


async def give_up_lost(conn: Connection, attempt_id: UUID, *, patience: Patience) -> None:
    """Ends an attempt whose call is known to nobody and must be over by now."""
    await _apply(
        conn,
        attempt_id,
        lambda attempt, now: attempt_domain.after_loss(attempt, now=now),
        patience=patience,
    )


async def settle_without_report(conn: Connection, attempt_id: UUID, *, patience: Patience) -> None:
    """Of an attempt that is over and whose report will not come."""
    await _apply(conn, attempt_id, lambda attempt, _: attempt, patience=patience, wait_for_report=False)


async def complete_if_done(conn: Connection, campaign: Campaign) -> None:
    """Of a locked campaign: it is over when everybody is dealt with, unless it waits for more contacts."""
    if campaign.auto_enroll or campaign.status not in campaign_domain.STARTED:
        return
    if await contacts.any_open(conn, campaign.id):
        return
    await campaigns.set_status(conn, campaign.id, Status.COMPLETED)
    await outbox.append(conn, SCHEMA, [events.campaign_completed(campaign)])
    _log.info("campaign completed", campaign_id=str(campaign.id))


async def _apply(
    conn: Connection,
    attempt_id: UUID,
    change: Callable[[Attempt, datetime], Attempt],
    *,
    patience: Patience,
    org_id: UUID | None = None,
    retry_after_seconds: float = 0.0,
    wait_for_report: bool = True,
    keep_pace: bool = False,
) -> None:
    campaign_id = await attempts.find_campaign(conn, attempt_id)
    locked = await campaigns.lock(conn, campaign_id) if campaign_id else None
    if locked is None or (org_id is not None and locked.campaign.org_id != org_id):
        return
    campaign = locked.campaign
    before = await attempts.lock(conn, attempt_id)
    after = change(before, locked.now)
    freed = before.is_open and not after.is_open
    if freed:
        await _free_slot(conn, campaign, after)
    settled, awaited = await _settle_contact(conn, campaign, after, now=locked.now, patient=wait_for_report)
    await attempts.save(conn, after, check_in_seconds=_check_in_seconds(after, patience, awaited=awaited))
    await budgeting.true_up(conn, after, org_id=campaign.org_id)
    if not keep_pace:
        await _keep_pace(
            conn, campaign, before, after, now=locked.now, retry_after_seconds=retry_after_seconds
        )
    campaign = await _note_progress(conn, campaign, after, now=locked.now)
    if freed and after.reason in _FATAL:
        await _fail(conn, campaign, reason=after.reason)
    elif settled:
        await complete_if_done(conn, campaign)


async def _free_slot(conn: Connection, campaign: Campaign, attempt: Attempt) -> None:
    await failpoints.hit("permit.before_release")
    await slots.free(conn, attempt.id)
    # A slot above a lowered cap goes when its call does.
    await slots.trim(conn, campaign.id, cap=campaign.cap)
    _ended.add(1, {"state": attempt.state.value, "call.status": attempt.call_status})


async def _settle_contact(
    conn: Connection, campaign: Campaign, attempt: Attempt, *, now: datetime, patient: bool
) -> tuple[bool, bool]:
    """Whether the contact was settled by this, and whether it waits for the call's report."""
    if attempt.is_open:
        return False, False
    contact = await contacts.lock(conn, attempt.contact_id)
    if contact.attempt_id != attempt.id:
        # Settled before; perhaps it is being called again.
        return False, False
    broken_before = 0
    if attempt.reason == attempt_domain.INFRASTRUCTURE:
        # The attempt itself is saved after this.
        broken_before = await attempts.count_by_reason(conn, contact.id, reason=attempt.reason)
    settlement = contact_domain.settle(
        contact,
        attempt,
        policy=campaign.retry_policy,
        history=await retrying.history(conn, campaign.retry_policy, contact, attempt),
        now=now,
        patient=patient,
        broken_before=broken_before,
    )
    if settlement is None:
        return False, True
    await contacts.settle(conn, contact.id, settlement)
    return True, False


def _check_in_seconds(attempt: Attempt, patience: Patience, *, awaited: bool) -> float | None:
    if attempt.state is State.INTENT:
        return patience.intent_seconds
    if attempt.is_open:
        return patience.stuck_seconds
    return patience.report_seconds if awaited else None


async def _keep_pace(
    conn: Connection,
    campaign: Campaign,
    before: Attempt,
    after: Attempt,
    *,
    now: datetime,
    retry_after_seconds: float,
) -> None:
    if before.state is after.state:
        return
    pace = Pace(campaign.line_limit, campaign.probe_at, campaign.refusals)
    taken = await slots.count_taken(conn, campaign.id)
    changed = pace
    if before.state is State.INTENT and after.state is State.REFUSED and not after.counts:
        changed = pace.after_refusal(taken=taken, now=now, retry_after_seconds=retry_after_seconds)
        verdict = Verdict(Decision.WAIT, after.reason, changed.probe_at)
        await verdicts.insert(
            conn, after.contact_id, verdict, org_id=after.org_id, campaign_id=after.campaign_id
        )
    elif after.state is State.PLACED:
        changed = pace.after_placed(taken=taken, cap=campaign.cap)
    if changed != pace:
        await campaigns.set_pace(conn, campaign.id, changed)


async def _note_progress(
    conn: Connection, campaign: Campaign, attempt: Attempt, *, now: datetime
) -> Campaign:
    """The first call placed starts the campaign; the first one picked up or over makes it run."""
    started_at = campaign.started_at or attempt.placed_at
    connected_at = campaign.connected_at or (now if attempt.is_connected else None)
    if (started_at, connected_at) == (campaign.started_at, campaign.connected_at):
        return campaign
    status = campaign.status
    if campaign.is_under_way:
        status = campaign_domain.progressed(
            started=started_at is not None, connected=connected_at is not None
        )
    await campaigns.note_progress(
        conn, campaign.id, status=status, started_at=started_at, connected_at=connected_at
    )
    if campaign.started_at is None:
        await outbox.append(conn, SCHEMA, [events.campaign_started(campaign, status=status)])
    return campaign_domain.with_progress(
        campaign, status=status, started_at=started_at, connected_at=connected_at
    )


async def _fail(conn: Connection, campaign: Campaign, *, reason: str) -> None:
    if campaign.status in campaign_domain.STARTED:
        await campaigns.set_status(conn, campaign.id, Status.FAILED, failure_reason=reason)
        _log.warning("campaign failed", campaign_id=str(campaign.id), reason=reason)
