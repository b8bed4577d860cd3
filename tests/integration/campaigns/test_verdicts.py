"""The verdict before every dial, as the running service gives it: consent, hours, frequency, kill switch."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc

from callplane.campaigns.v2 import (
    campaigns_pb2,
    consents_pb2,
    dialing_pb2,
)
from callplane.events.v1 import events_pb2
from libs import failpoints
from tests.integration.campaigns.conftest import StartService
from tests.integration.campaigns.dialing import (
    Decision,
    closed_hours,
    consent,
    consents,
    dialing,
    kill,
    replace_own,
    replace_policy,
    told,
    verdicts,
)
from tests.integration.campaigns.fake_calls import FakeCalls, Script
from tests.integration.campaigns.harness import FIRST_PHONE, ORG, OTHER_ORG, Service, refused
from tests.support.waiting import eventually

Contact = campaigns_pb2.Contact


async def until_waiting(service: Service, campaign_id: str, count: int) -> list[Contact]:
    async def look() -> list[Contact] | None:
        waiting = [one for one in await service.contacts(campaign_id) if one.HasField("next_attempt_at")]
        return waiting if len(waiting) == count else None

    found = await eventually(look)
    assert found is not None
    return found


def zones_by_clock(now: datetime) -> tuple[str, str]:
    """One where it is noon by now, and one where it is midnight."""
    noon = 12 - now.hour
    midnight = noon - 12 if noon > 0 else noon + 12
    return f"Etc/GMT{-noon:+d}", f"Etc/GMT{-midnight:+d}"


def by_day() -> list[dialing_pb2.CallingWindow]:
    return [dialing_pb2.CallingWindow(day=day, opens="06:00", closes="18:00") for day in range(1, 8)]


async def test_a_policy_is_kept_whole_and_its_etag_guards_it(service: Service) -> None:
    """CA-5: live-editable rules of an organization and of a campaign."""
    metadata = service.metadata()
    empty = await dialing(service).GetDialingPolicy(dialing_pb2.GetDialingPolicyRequest(), metadata=metadata)
    assert dialing_pb2.DialingPolicy(etag="0") == empty

    hours = [
        dialing_pb2.CallingWindow(day=1, opens="09:00", closes="12:00"),
        dialing_pb2.CallingWindow(day=7, opens="20:30", closes="24:00"),
    ]
    cap = dialing_pb2.FrequencyCap(contacts_max=3, period_hours=168)
    saved = await replace_policy(
        service, consent_required=True, calling_hours=reversed(hours), frequency_cap=cap, etag="0"
    )
    found = await dialing(service).GetDialingPolicy(dialing_pb2.GetDialingPolicyRequest(), metadata=metadata)
    assert saved == found
    assert (True, hours, cap, "1") == (
        found.consent_required,
        list(found.calling_hours),
        found.frequency_cap,
        found.etag,
    )
    assert "ETAG_MISMATCH" == (await refused(replace_policy(service, etag="0"))).reason

    campaign = await service.campaign()
    own = await replace_own(service, campaign.id, calling_hours=hours[:1])
    request = dialing_pb2.GetCampaignDialingPolicyRequest(campaign_id=campaign.id)
    assert own == await dialing(service).GetCampaignDialingPolicy(request, metadata=metadata)
    assert (campaign.id, hours[:1], "1") == (own.campaign_id, list(own.calling_hours), own.etag)
    overlapping = [*hours, dialing_pb2.CallingWindow(day=1, opens="11:59", closes="13:00")]
    answer = await refused(replace_own(service, campaign.id, calling_hours=overlapping))
    assert grpc.StatusCode.INVALID_ARGUMENT == answer.code
    malformed = [dialing_pb2.CallingWindow(day=8, opens="9:00", closes="25:00")]
    answer = await refused(replace_policy(service, calling_hours=malformed))
    assert grpc.StatusCode.INVALID_ARGUMENT == answer.code


async def test_what_an_organization_decides_is_nothing_to_another(service: Service) -> None:
    """CA-5: policies, switches, consents and verdicts are separated by the database."""
    theirs = service.metadata(OTHER_ORG)
    await replace_policy(service, consent_required=True)
    await kill(service, engaged=True)
    campaign = await service.campaign(contacts=1)
    recorded = await consent(service, 0)

    policy = await dialing(service).GetDialingPolicy(dialing_pb2.GetDialingPolicyRequest(), metadata=theirs)
    assert not policy.consent_required
    switch = await dialing(service).GetKillSwitch(dialing_pb2.GetKillSwitchRequest(), metadata=theirs)
    assert not switch.engaged
    listed = await consents(service).ListConsents(consents_pb2.ListConsentsRequest(), metadata=theirs)
    assert [] == list(listed.consents)
    of_consent: list[tuple[Any, Any]] = [
        (consents(service).GetConsent, consents_pb2.GetConsentRequest(id=recorded.id)),
        (consents(service).RevokeConsent, consents_pb2.RevokeConsentRequest(id=recorded.id)),
    ]
    for call, request in of_consent:
        assert "CONSENT_NOT_FOUND" == (await refused(call(request, metadata=theirs))).reason
    of_campaign: list[tuple[Any, Any]] = [
        (dialing(service).ListVerdicts, dialing_pb2.ListVerdictsRequest),
        (dialing(service).GetCampaignKillSwitch, dialing_pb2.GetCampaignKillSwitchRequest),
        (dialing(service).SetCampaignKillSwitch, dialing_pb2.SetCampaignKillSwitchRequest),
        (dialing(service).GetCampaignDialingPolicy, dialing_pb2.GetCampaignDialingPolicyRequest),
        (dialing(service).ReplaceCampaignDialingPolicy, dialing_pb2.ReplaceCampaignDialingPolicyRequest),
        (dialing(service).GetDialingState, dialing_pb2.GetDialingStateRequest),
    ]
    for call, message in of_campaign:
        answer = await refused(call(message(campaign_id=campaign.id), metadata=theirs))
        assert "CAMPAIGN_NOT_FOUND" == answer.reason
    request = dialing_pb2.PreflightCampaignRequest(id=campaign.id)
    answer = await refused(dialing(service).PreflightCampaign(request, metadata=theirs))
    assert "CAMPAIGN_NOT_FOUND" == answer.reason


async def test_consent_is_recorded_once_revoked_and_kept(service: Service) -> None:
    """CA-5: consent with source and time."""
    metadata = service.metadata()
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    first = await consent(service, 0, obtained_at=at, channel="ALL", source="form 7")
    assert first == await consent(service, 0, channel="ALL", source="another")
    assert ("form 7", at) == (first.source, first.obtained_at.ToDatetime(tzinfo=UTC))
    voice = await consent(service, 0)
    assert consents_pb2.Consent.VOICE == voice.channel

    request = consents_pb2.RevokeConsentRequest(id=first.id, source="by phone")
    revoked = await consents(service).RevokeConsent(request, metadata=metadata)
    assert ("by phone", True) == (revoked.revocation_source, revoked.HasField("revoked_at"))
    again = consents_pb2.RevokeConsentRequest(id=first.id, source="twice")
    assert revoked == await consents(service).RevokeConsent(again, metadata=metadata)
    assert revoked == await consents(service).GetConsent(
        consents_pb2.GetConsentRequest(id=first.id), metadata=metadata
    )
    anew = await consent(service, 0, channel="ALL")
    listing = consents_pb2.ListConsentsRequest(phone_number=f"+{FIRST_PHONE}", page_size=2)
    page = await consents(service).ListConsents(listing, metadata=metadata)
    assert [anew.id, voice.id] == [one.id for one in page.consents]
    listing.page_token = page.next_page_token
    page = await consents(service).ListConsents(listing, metadata=metadata)
    assert [first.id] == [one.id for one in page.consents]

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    answer = await refused(consent(service, 1, obtained_at=tomorrow))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") == (answer.code, answer.reason)


async def test_whoever_may_not_be_called_is_skipped_with_a_stored_reason(service: Service) -> None:
    """CA-5: suppression, consent and unknown zones forbid; the others are called."""
    await replace_policy(service, calling_hours=[_always(day) for day in range(1, 8)])
    campaign = await service.campaign()
    await replace_own(service, campaign.id, consent_required=True)
    rows = [f"Ann,A,+{FIRST_PHONE}", f"Bob,B,+{FIRST_PHONE + 1}", "Cam,C,+80012345678"]
    await service.load(campaign.id, "\n".join(["name,business_name,phone", *rows]).encode())
    await consent(service, 0)
    await consent(service, 0, channel="SMS")
    await consents(service).RecordConsent(
        consents_pb2.RecordConsentRequest(
            phone_number="+80012345678", source="form", channel=consents_pb2.Consent.ALL
        ),
        metadata=service.metadata(),
    )
    await service.start(campaign.id)

    await service.until_status(campaign.id, "COMPLETED")

    by_id = {one.id: one.name for one in await service.contacts(campaign.id)}
    found = await verdicts(service, campaign.id)
    assert {
        ("Ann", "DIAL", "FIRST_ATTEMPT"),
        ("Bob", "SKIP", "NO_CONSENT"),
        ("Cam", "SKIP", "TIME_ZONE_UNKNOWN"),
    } == {(by_id[one.contact_id], Decision.Name(one.decision), one.reason) for one in found}
    [skipped] = [one for one in found if one.reason == "NO_CONSENT"]
    assert [skipped] == await verdicts(service, campaign.id, contact_id=skipped.contact_id)
    assert ["+" + str(FIRST_PHONE)] == [one.request.customer_number for one in service.calls.calls.values()]


def _always(day: int) -> dialing_pb2.CallingWindow:
    return dialing_pb2.CallingWindow(day=day, opens="00:00", closes="24:00")


async def test_contacts_outside_their_hours_wait_and_keep_nobody_back(service: Service) -> None:
    """CA-5: recipient-local hours; a live edit counts at once; one verdict for one reason."""
    now = datetime.now(UTC)
    campaign = await service.campaign(cap=2)
    # 130 where it is night stand before two where it is day.
    noon, midnight = zones_by_clock(now)
    rows = [f"Far {number},F,+{FIRST_PHONE + number},{midnight}" for number in range(130)]
    rows += [f"Near {number},N,+{FIRST_PHONE + 500 + number},{noon}" for number in range(2)]
    await service.load(campaign.id, "\n".join(["name,business_name,phone,timezone", *rows]).encode())
    await replace_own(service, campaign.id, calling_hours=by_day())
    await service.start(campaign.id)

    waiting = await until_waiting(service, campaign.id, 130)

    await service.until(lambda: len(service.calls.calls) == 2)
    assert {"N"} == {one.request.customer_name[0] for one in service.calls.calls.values()}
    assert {"OUTSIDE_CALLING_HOURS"} == {one.wait_reason for one in waiting}
    assert 130 == told(await verdicts(service, campaign.id))["WAIT", "OUTSIDE_CALLING_HOURS"]
    before = len(await verdicts(service, campaign.id, contact_id=waiting[0].id))

    # Shut for everybody at another time: looked at again, the same reason, no new verdict.
    await replace_own(service, campaign.id, calling_hours=closed_hours())
    until = waiting[0].next_attempt_at

    async def moved() -> bool:
        return all(
            one.next_attempt_at != until
            and one.next_attempt_at.ToDatetime(tzinfo=UTC) > now + timedelta(days=1)
            for one in await service.contacts(campaign.id)
            if one.status == Contact.PENDING
        )

    await eventually(moved)
    assert before == len(await verdicts(service, campaign.id, contact_id=waiting[0].id))

    # Everybody may be called at any time.
    await replace_own(service, campaign.id)
    await service.until(lambda: len(service.calls.calls) >= 10)
    await service.cancel(campaign.id)


async def test_the_dispatcher_wakes_when_the_earliest_window_opens(service: Service) -> None:
    """CA-5: nobody has to look for a window that opens; the tick is ten minutes away here."""
    campaign = await service.campaign(contacts=1)
    await replace_own(service, campaign.id, calling_hours=closed_hours())
    await service.start(campaign.id)
    [contact] = await until_waiting(service, campaign.id, 1)
    assert [] == service.calls.requests

    # As if the time had come: the wait is over in a moment, and the hours are gone without a word.
    assert "OUTSIDE_CALLING_HOURS" == contact.wait_reason
    await service.database.execute(
        """
        UPDATE campaigns.campaign_dialing_policies SET calling_hours = '[]';
        UPDATE campaigns.contacts SET next_attempt_at = clock_timestamp() + interval '0.7 seconds'
        """
    )
    other = await service.campaign(contacts=1, first=FIRST_PHONE + 50)
    await service.start(other.id)

    await service.until_status(campaign.id, "COMPLETED")


async def test_one_number_is_called_and_written_to_only_so_often(service: Service) -> None:
    """CA-5: the frequency cap counts over all campaigns and text messages, at once."""
    await replace_policy(service, frequency_cap=dialing_pb2.FrequencyCap(contacts_max=2, period_hours=24))
    service.calls.script = lambda _: Script(seconds=None)
    # The second number was written to already, twice; the third once.
    for number in (1, 1, 2):
        message = events_pb2.MessageSnapshot(id=str(uuid4()), to=f"+{FIRST_PHONE + number}", status="SENT")
        await service.notify.append(
            "callplane.message.sent.v1", message.id, ORG, events_pb2.MessageSent(message=message)
        )

    async def copied() -> bool:
        [row] = await service.database.fetch("SELECT count(*) FROM campaigns.text_messages")
        return bool(row[0] == 3)

    await eventually(copied)
    campaigns = [await service.campaign(contacts=3, cap=5) for _ in range(4)]
    for campaign in campaigns:
        await service.start(campaign.id)

    async def decided() -> bool:
        totals = [told(await verdicts(service, one.id)).total() for one in campaigns]
        return totals == [3, 3, 3, 3]

    await eventually(decided)
    numbers = Counter(one.request.customer_number for one in service.calls.calls.values())
    assert {f"+{FIRST_PHONE}": 2, f"+{FIRST_PHONE + 2}": 1} == dict(numbers)
    every = Counter[tuple[str, str]]()
    for campaign in campaigns:
        every += told(await verdicts(service, campaign.id))
    assert {("DIAL", "FIRST_ATTEMPT"): 3, ("WAIT", "FREQUENCY_CAP"): 9} == dict(every)
    [waiting, *_] = [one for one in await verdicts(service, campaigns[0].id) if one.HasField("until")]
    wait = waiting.until.ToDatetime(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(hours=23) < wait <= timedelta(hours=24)


async def test_a_kill_switch_stops_dialing_at_once_and_survives_a_restart(
    start_service: StartService, calls: FakeCalls
) -> None:
    """CA-5: kill switch per campaign and per organization; open calls go on."""
    calls.script = lambda _: Script(seconds=None)
    async with start_service() as service:
        campaign = await service.campaign(contacts=6, cap=2)
        other = await service.campaign(contacts=2, cap=1, first=FIRST_PHONE + 100)
        await kill(service, engaged=True, campaign_id=campaign.id)
        await service.start(campaign.id)
        await service.start(other.id)
        await service.until(lambda: len(calls.active) == 1)
        assert other.id == next(iter(calls.calls.values())).request.campaign_id
        released = await kill(service, engaged=False, campaign_id=campaign.id)
        assert not released.engaged
        await service.until(lambda: len(calls.active) == 3)

        engaged = await kill(service, engaged=True)
        assert (True, "complaints", True) == (engaged.engaged, engaged.reason, engaged.HasField("engaged_at"))
        assert engaged == await kill(service, engaged=True)
        for call_id in list(calls.active):
            await calls.end(call_id)

        async def ended() -> bool:
            found = [await service.get(one.id) for one in (campaign, other)]
            return sum(one.stats.by_status.get("ENDED", 0) for one in found) == 3

        await eventually(ended)
    async with start_service() as service:
        await kill(service, engaged=False, campaign_id=other.id)
        found = await dialing(service).GetKillSwitch(
            dialing_pb2.GetKillSwitchRequest(), metadata=service.metadata()
        )
        assert engaged == found
        assert 3 == len(calls.calls)

        await kill(service, engaged=False)
        await service.until(lambda: len(calls.active) == 3)


async def test_what_was_decided_a_moment_before_a_kill_is_given_back(service: Service) -> None:
    """CA-5: between the decision and the request there is a last look."""
    failpoints.configure("dial.before_post=sleep:600#1")
    campaign = await service.campaign(contacts=1)
    await service.start(campaign.id)

    async def intended() -> bool:
        return len(await service.attempts(campaign.id)) == 1

    await eventually(intended)
    await kill(service, engaged=True, campaign_id=campaign.id)

    async def given_back() -> bool:
        [attempt] = await service.attempts(campaign.id)
        return attempt.reason == "NOT_WANTED"

    await eventually(given_back)
    assert [] == service.calls.requests
    [contact] = await service.contacts(campaign.id)
    assert (Contact.PENDING, 0) == (contact.status, contact.attempts)

    await kill(service, engaged=False, campaign_id=campaign.id)
    await service.until_status(campaign.id, "COMPLETED")
