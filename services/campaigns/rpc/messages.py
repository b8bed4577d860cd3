"""The domain as CampaignService shows it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from google.protobuf import timestamp_pb2

from callplane.campaigns.v2 import campaigns_pb2
from libs.rpc.convert import timestamp
from services.campaigns.domain.attempts import Attempt
from services.campaigns.domain.campaigns import Campaign, Stats
from services.campaigns.domain.contact_rows import Rejection
from services.campaigns.domain.contacts import Contact, Status
from services.campaigns.domain.imports import Import
from services.campaigns.operations.watching import Progress
from services.campaigns.rpc import retry_policies


def campaign(found: Campaign, figures: Stats) -> campaigns_pb2.Campaign:
    return campaigns_pb2.Campaign(
        id=str(found.id),
        name=found.name,
        mode=campaigns_pb2.Campaign.Mode.Value(found.mode.value),
        cap=found.cap,
        assistant_id=str(found.assistant_id),
        phone_number_id=found.phone_number_id,
        status=campaigns_pb2.Campaign.Status.Value(found.status.value),
        total_contacts=found.total_contacts,
        created_at=timestamp(found.created_at),
        started_at=timestamp(found.started_at),
        completed_at=timestamp(found.completed_at),
        stats=stats(figures),
        max_attempts=found.max_attempts,
        retry_delay_seconds=found.retry_delay_seconds,
        etag=found.etag,
        failure_reason=found.failure_reason,
        retry_policy=retry_policies.to_proto(found.retry_rules),
        auto_enroll=found.auto_enroll,
        line_quiet=found.line_quiet,
    )


def stats(figures: Stats) -> campaigns_pb2.CampaignStats:
    return campaigns_pb2.CampaignStats(
        contacts=figures.contacts,
        attempts=figures.attempts,
        active=figures.active,
        by_status=figures.by_status,
        successful=figures.successful,
        success_rate=figures.success_rate,
        average_cost_usd=_usd(figures.average_cost_usd),
        average_duration_seconds=figures.average_duration_seconds,
        total_cost_usd=_usd(figures.total_cost_usd),
        pending=figures.pending,
        skipped=figures.skipped,
        estimated_seconds_left=figures.estimated_seconds_left,
        estimated_completion_at=_after(figures.estimated_seconds_left),
    )


def progress(told: Progress) -> campaigns_pb2.CampaignProgress:
    return campaigns_pb2.CampaignProgress(
        campaign_id=str(told.campaign.id),
        status=campaigns_pb2.Campaign.Status.Value(told.campaign.status.value),
        stats=stats(told.stats),
        at=timestamp(told.at),
    )


def contact(found: Contact) -> campaigns_pb2.Contact:
    return campaigns_pb2.Contact(
        id=str(found.id),
        campaign_id=str(found.campaign_id),
        name=found.name,
        business_name=found.business_name,
        phone=found.phone,
        status=campaigns_pb2.Contact.Status.Value(found.status.value),
        attempts=found.attempts,
        next_attempt_at=timestamp(found.next_attempt_at),
        reason=found.reason,
        row=found.row,
        time_zone=found.time_zone,
        wait_reason=found.wait_reason if found.status is Status.PENDING else "",
        callback_at=timestamp(found.callback_at),
    )


def attempt(found: Attempt) -> campaigns_pb2.Attempt:
    return campaigns_pb2.Attempt(
        id=str(found.id),
        campaign_id=str(found.campaign_id),
        contact_id=str(found.contact_id),
        number=found.number,
        state=campaigns_pb2.Attempt.State.Value(found.state.value),
        call_status=found.call_status,
        outcome=found.outcome,
        ended_reason=found.ended_reason,
        reason=found.reason,
        created_at=timestamp(found.created_at),
        placed_at=timestamp(found.placed_at),
        ended_at=timestamp(found.ended_at),
        duration_seconds=found.duration_seconds,
        cost_usd=_usd(found.cost_usd),
        success_evaluation=found.success_evaluation,
    )


def import_report(made: Import) -> campaigns_pb2.ImportContactsResponse:
    return campaigns_pb2.ImportContactsResponse(
        import_id=str(made.id),
        total_rows=made.total_rows,
        accepted=made.accepted,
        rejected=rejected_rows(made.rejections),
        duplicates=made.duplicates,
    )


def rejected_rows(rejections: Sequence[Rejection]) -> list[campaigns_pb2.RejectedRow]:
    return [
        campaigns_pb2.RejectedRow(row=one.row, field=one.field, reason=one.reason, value=one.value)
        for one in rejections
    ]


def _after(seconds: float | None) -> timestamp_pb2.Timestamp | None:
    return None if seconds is None else timestamp(datetime.now(UTC) + timedelta(seconds=seconds))


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.4f}"
