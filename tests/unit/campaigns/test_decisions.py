"""What becomes of a contact, when to knock again, what a status allows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.campaigns.domain.attempts import Attempt, State
from services.campaigns.domain.campaigns import (
    OVER,
    UNDER_WAY,
    Action,
    Campaign,
    Mode,
    Status,
    check,
    progressed,
)
from services.campaigns.domain.contacts import Contact, Settlement, budget, settle
from services.campaigns.domain.contacts import Status as ContactStatus
from services.campaigns.domain.export import ExportRow, encoded
from services.campaigns.domain.pace import Pace
from services.campaigns.domain.retries import History, RetryPolicy
from services.campaigns.errors import CampaignWrongStatus
from tests.unit.campaigns.test_attempts import intent

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ID = UUID(int=1)

CONTACT = Contact(
    id=ID,
    org_id=ID,
    campaign_id=ID,
    position=1,
    row=1,
    name="Ann",
    business_name="A",
    phone="+15145550101",
    status=ContactStatus.PENDING,
    attempts=0,
    attempt_id=None,
    next_attempt_at=None,
    reason="",
)

CAMPAIGN = Campaign(
    id=ID,
    org_id=ID,
    name="Spring",
    mode=Mode.CONTINUOUS,
    cap=8,
    assistant_id=ID,
    phone_number_id="p",
    max_attempts=1,
    retry_delay_seconds=3600,
    status=Status.CREATED,
    total_contacts=1,
    assistant_version=None,
    provider_assistant_id=None,
    traceparent="",
    started_at=None,
    connected_at=None,
    completed_at=None,
    failure_reason="",
    batch_no=0,
    batch_size=0,
    line_limit=None,
    probe_at=None,
    refusals=0,
    revision=1,
    created_at=NOW,
)


def settled(contact: Contact, attempt: Attempt, *, patient: bool) -> Settlement | None:
    """By a budget of two attempts, a minute apart."""
    history = History(attempts=contact.attempts, ended_so=1, called_at=NOW, zones=())
    policy = RetryPolicy(max_attempts=2, delay_seconds=60)
    return settle(contact, attempt, policy=policy, history=history, now=NOW, patient=patient)


ENDED = {"state": State.ENDED, "call_status": "ENDED", "placed_at": NOW}


@pytest.mark.parametrize(
    ("facts", "attempts", "status", "reason"),
    [
        ({**ENDED, "outcome": "HUMAN"}, 1, ContactStatus.DONE, "HUMAN"),
        ({**ENDED, "outcome": "NO_ANSWER"}, 1, ContactStatus.PENDING, "NO_ANSWER"),
        ({**ENDED, "outcome": "BUSY"}, 1, ContactStatus.PENDING, "BUSY"),
        ({**ENDED, "outcome": "VOICEMAIL"}, 1, ContactStatus.PENDING, "VOICEMAIL"),
        ({**ENDED, "outcome": "NO_ANSWER"}, 2, ContactStatus.DONE, "NO_ANSWER"),
        ({**ENDED, "call_status": "FAILED"}, 1, ContactStatus.PENDING, "FAILED"),
        ({**ENDED, "call_status": "CANCELED"}, 1, ContactStatus.DONE, "CANCELED"),
        ({**ENDED, "call_status": "TIMEOUT"}, 1, ContactStatus.DONE, "TIMEOUT"),
        ({**ENDED, "outcome": ""}, 2, ContactStatus.DONE, ""),
        ({"state": State.REFUSED, "reason": "PROVIDER_REFUSED"}, 1, ContactStatus.PENDING, "FAILED"),
        ({"state": State.REFUSED, "reason": "INVALID_NUMBER"}, 1, ContactStatus.DONE, "INVALID_NUMBER"),
        ({"state": State.REFUSED, "reason": "NO_LINE_FREE", "counts": False}, 2, ContactStatus.PENDING, ""),
    ],
)
def test_what_becomes_of_a_contact(
    facts: dict[str, object], attempts: int, status: ContactStatus, reason: str
) -> None:
    contact = replace(CONTACT, status=ContactStatus.ACTIVE, attempts=attempts, attempt_id=ID)

    settlement = settled(contact, intent(**facts), patient=True)

    assert settlement is not None
    assert (status, reason) == (settlement.status, settlement.reason)
    if not facts.get("counts", True):
        assert (1, None) == (settlement.attempts, settlement.retry_in_seconds)


def test_an_outcome_that_matters_is_waited_for_but_not_for_ever() -> None:
    contact = replace(CONTACT, status=ContactStatus.ACTIVE, attempts=1, attempt_id=ID)
    attempt = intent(**ENDED)

    assert settled(contact, attempt, patient=True) is None
    decided = settled(contact, attempt, patient=False)
    assert decided is not None
    assert ContactStatus.DONE is decided.status


@pytest.mark.parametrize("outcome", ["HUMAN", "NO_ANSWER", ""])
def test_a_wish_to_be_called_back_stands_above_outcome_and_budget(outcome: str) -> None:
    """CA-9: until the call that was asked for was made."""
    wanted_at = NOW + timedelta(hours=3)
    contact = replace(CONTACT, status=ContactStatus.ACTIVE, attempts=2, attempt_id=ID, callback_at=wanted_at)
    attempt = intent(**ENDED, outcome=outcome)

    assert Settlement(ContactStatus.PENDING, "CALLBACK", 2, retry_in_seconds=10800, callback=True) == settled(
        contact, attempt, patient=True
    )
    assert 3 == budget(contact, max_attempts=2)
    dialed = replace(contact, callback_dialed=True, attempts=3)
    over = settled(dialed, attempt, patient=False)
    assert over is not None
    assert (ContactStatus.DONE, False) == (over.status, over.callback)
    not_made = intent(state=State.REFUSED, reason="NO_LINE_FREE", counts=False)
    again = settled(dialed, not_made, patient=True)
    assert Settlement(ContactStatus.PENDING, "", 2, retry_in_seconds=None, callback=True) == again


def test_an_open_attempt_settles_nothing() -> None:
    assert settled(CONTACT, intent(), patient=False) is None


def test_the_pace_keeps_to_what_the_provider_carries_and_probes_for_more() -> None:
    pace = Pace()
    assert pace.may_dial(taken=49, now=NOW)

    refused = pace.after_refusal(taken=3, now=NOW, retry_after_seconds=0)
    assert refused.may_dial(taken=2, now=NOW)
    assert not refused.may_dial(taken=3, now=NOW)
    later = NOW + timedelta(seconds=1)
    assert refused.may_dial(taken=3, now=later)

    probing = refused.after_intent(taken=3, now=later)
    assert not probing.may_dial(taken=4, now=later)
    again = probing.after_refusal(taken=3, now=later, retry_after_seconds=0)
    assert not again.may_dial(taken=3, now=later + timedelta(seconds=1.9))
    assert again.may_dial(taken=3, now=later + timedelta(seconds=2))
    assert not again.after_refusal(taken=3, now=later, retry_after_seconds=50).may_dial(
        taken=3, now=later + timedelta(seconds=49)
    )


def test_a_probe_that_goes_through_opens_the_way_again() -> None:
    pace = Pace(3, NOW, 5).after_intent(taken=3, now=NOW)
    more = pace.after_placed(taken=4, cap=5)

    assert Pace(4, None, 0) == more
    assert Pace() == more.after_placed(taken=5, cap=5)
    assert Pace(3, NOW, 0) == Pace(3, NOW, 5).after_placed(taken=3, cap=5)


def test_what_a_status_allows() -> None:
    """CA-2: each of the eight statuses against each action."""
    allowed = {action: {status for status in Status if _allows(status, action)} for action in Action}

    assert {Status.CREATED} == allowed[Action.START]
    assert set(UNDER_WAY) == allowed[Action.PAUSE]
    assert {Status.PAUSED, Status.FAILED} == allowed[Action.RESUME]
    assert OVER | {Status.CREATED} == allowed[Action.DELETE]
    assert {Status.CREATED, Status.FAILED} == allowed[Action.SET_ASSISTANT]
    assert {Status.CREATED, Status.FAILED} == allowed[Action.SET_PHONE_NUMBER]
    # What failed for its assistant gets another one.
    assert set(Status) - OVER | {Status.FAILED} == allowed[Action.UPDATE]
    for action in (Action.CANCEL, Action.IMPORT):
        assert set(Status) - OVER == allowed[action]


def _allows(status: Status, action: Action) -> bool:
    try:
        check(replace(CAMPAIGN, status=status), action)
    except CampaignWrongStatus:
        return False
    return True


def test_a_refused_action_tells_status_and_action() -> None:
    """CA-2: what, and why."""
    with pytest.raises(CampaignWrongStatus) as raised:
        check(replace(CAMPAIGN, status=Status.COMPLETED), Action.PAUSE)

    assert {"status": "COMPLETED", "action": "pause"} == raised.value.metadata
    assert (
        "The campaign is COMPLETED; only one that is QUEUED or DIALING or RUNNING can be paused."
        == raised.value.message
    )


def test_progress() -> None:
    assert Status.QUEUED is progressed(started=False, connected=False)
    assert Status.DIALING is progressed(started=True, connected=False)
    assert Status.RUNNING is progressed(started=True, connected=True)


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-1", "@SUM(A1)", "\uff1d1"])
def test_no_cell_of_the_export_is_a_formula(text: str) -> None:
    row = ExportRow(
        position=1,
        name=text,
        business_name=text,
        phone="+15145550101",
        call_status="ENDED",
        ended_reason=text,
        cost_usd=None,
        duration_seconds=None,
        recording_url=text,
        success_evaluation=None,
        summary=text,
    )
    line = encoded([row]).decode()

    assert 5 == line.count("'" + text)
    assert ",+15145550101," in line


@pytest.mark.parametrize(
    ("broken_before", "status", "attempts", "delay"),
    [
        (0, ContactStatus.PENDING, 0, 60.0),
        (1, ContactStatus.PENDING, 0, 240.0),
        (2, ContactStatus.PENDING, 0, 960.0),
        # A number that fails the carrier every time is not called for ever.
        (3, ContactStatus.DONE, 1, None),
    ],
)
def test_a_call_that_the_carrier_failed_uses_up_no_attempt_but_not_for_ever(
    broken_before: int, status: ContactStatus, attempts: int, delay: float | None
) -> None:
    """CA-4: infrastructure failures use no attempt."""
    contact = replace(CONTACT, status=ContactStatus.ACTIVE, attempts=1, attempt_id=ID)
    broken = {"state": State.ENDED, "call_status": "FAILED", "reason": "INFRASTRUCTURE", "placed_at": NOW}

    found = settle(
        contact,
        intent(**broken),
        policy=RetryPolicy(max_attempts=1, delay_seconds=5),
        history=History(attempts=1, ended_so=1, called_at=NOW, zones=()),
        now=NOW,
        patient=True,
        broken_before=broken_before,
    )

    assert found is not None
    assert (status, attempts, delay) == (found.status, found.attempts, found.retry_in_seconds)
