"""AnalyticsService."""

from typing import Any, TypeAlias

import grpc.aio

from callplane.calls.v2 import analytics_pb2, analytics_pb2_grpc, calls_pb2
from libs.rpc import convert, principal
from services.calls.domain.analytics import CallAnalytics, Figures
from services.calls.operations.analytics import Analytics

_Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    def __init__(self, analytics: Analytics) -> None:
        self._analytics = analytics

    async def GetCallAnalytics(
        self, request: analytics_pb2.GetCallAnalyticsRequest, context: _Context
    ) -> analytics_pb2.CallAnalytics:
        found = await self._analytics.read(
            principal().org_id,
            since=convert.moment(request.since) if request.HasField("since") else None,
            until=convert.moment(request.until) if request.HasField("until") else None,
            direction=calls_pb2.Call.Direction.Name(request.direction) if request.direction else None,
            assistant_id=request.assistant_id or None,
        )
        return _message(found)


def _message(found: CallAnalytics) -> analytics_pb2.CallAnalytics:
    message = analytics_pb2.CallAnalytics
    return message(
        total=_figures(found.total),
        hours=[
            message.Hour(
                hour=convert.timestamp(one.hour),
                figures=_figures(one.figures),
                service_types=one.service_types,
            )
            for one in found.hours
        ],
        days=[message.Day(day=day.isoformat(), figures=_figures(one)) for day, one in found.days],
        assistants=[
            message.Assistant(
                assistant_id=one.assistant_id,
                provider_assistant_id=one.provider_assistant_id,
                figures=_figures(one.figures),
            )
            for one in found.assistants
        ],
        service_types=[
            message.ServiceType(service_type=name, figures=_figures(one)) for name, one in found.service_types
        ],
        events=[message.EventCount(type=name, total=total) for name, total in found.events],
        refreshed_at=convert.timestamp(found.refreshed_at),
    )


def _figures(figures: Figures) -> analytics_pb2.CallFigures:
    return analytics_pb2.CallFigures(
        total=figures.total,
        active=figures.active,
        completed=figures.completed,
        failed=figures.failed,
        abandoned=figures.abandoned,
        urgent=figures.urgent,
        connected=figures.connected,
        answered=figures.answered,
        successful=figures.successful,
        evaluated=figures.evaluated,
        average_duration_seconds=figures.average_duration_seconds,
        cost_usd=f"{figures.cost_usd:.4f}",
        average_transcript_lines=figures.average_transcript_lines,
    )
