"""The usage of assistants as AssistantService shows it."""

from decimal import Decimal

from callplane.campaigns.v2 import assistants_pb2
from libs.rpc.convert import timestamp
from services.campaigns.domain.usage import Usage, VersionFigures


def usage(found: Usage) -> assistants_pb2.AssistantUsage:
    return assistants_pb2.AssistantUsage(
        assistant_id=str(found.assistant.id),
        name=found.assistant.name,
        figures=_figures(found.total),
        versions=[
            assistants_pb2.VersionUsage(version=one.version, figures=_figures(one))
            for one in found.versions
            if one.version
        ],
    )


def _figures(found: VersionFigures) -> assistants_pb2.UsageFigures:
    stats = found.stats
    return assistants_pb2.UsageFigures(
        campaigns=found.campaigns,
        campaigns_under_way=found.under_way,
        attempts=stats.attempts,
        successful=stats.successful,
        evaluated=stats.evaluated,
        success_rate=stats.success_rate,
        total_cost_usd=_usd(stats.total_cost_usd),
        average_cost_usd=_usd(stats.average_cost_usd),
        average_duration_seconds=stats.average_duration_seconds,
        last_used_at=timestamp(found.last_used_at),
    )


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.4f}"
