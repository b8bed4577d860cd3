"""What campaigns tells the other services, as entries of its outbox."""

from collections.abc import Sequence
from uuid import UUID

from google.protobuf import any_pb2
from google.protobuf.message import Message

from callplane.events.v1 import events_pb2
from libs.outbox import NewEvent
from services.campaigns.domain.assistants import ExistenceCheck
from services.campaigns.domain.campaigns import Campaign, Status
from services.campaigns.domain.contacts import Contact


def campaign_started(campaign: Campaign, *, status: Status) -> NewEvent:
    """`status` is the campaign's from now on."""
    data = events_pb2.CampaignStarted(campaign=_snapshot(campaign, status))
    return _event("callplane.campaign.started.v1", campaign.id, campaign.org_id, data)


def campaign_completed(campaign: Campaign) -> NewEvent:
    data = events_pb2.CampaignCompleted(campaign=_snapshot(campaign, Status.COMPLETED))
    return _event("callplane.campaign.completed.v1", campaign.id, campaign.org_id, data)


def assistant_gone(check: ExistenceCheck, *, failed: Sequence[UUID]) -> NewEvent:
    """`failed` are the campaigns that had started with it and were not over."""
    data = events_pb2.AssistantGone(
        assistant_id=str(check.assistant_id),
        provider_assistant_id=check.provider_assistant_id,
        failed_campaign_ids=[str(campaign_id) for campaign_id in failed],
    )
    return _event("callplane.assistant.gone.v1", check.assistant_id, check.org_id, data)


def contact_skipped(contact: Contact, *, reason: str) -> NewEvent:
    data = events_pb2.ContactSkipped(
        campaign_id=str(contact.campaign_id), contact_id=str(contact.id), reason=reason
    )
    return _event("callplane.contact.skipped.v1", contact.id, contact.org_id, data)


def _snapshot(campaign: Campaign, status: Status) -> events_pb2.CampaignSnapshot:
    return events_pb2.CampaignSnapshot(
        id=str(campaign.id),
        name=campaign.name,
        status=status.value,
        total_contacts=campaign.total_contacts,
        assistant_id=str(campaign.assistant_id),
    )


def _event(event_type: str, subject: UUID, org_id: UUID, data: Message) -> NewEvent:
    packed = any_pb2.Any()
    packed.Pack(data)
    return NewEvent(type=event_type, subject=str(subject), org_id=org_id, data=packed.SerializeToString())
