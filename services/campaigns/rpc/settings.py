"""CampaignSettingsService."""

from typing import Any, Final

import grpc.aio

from callplane.campaigns.v2 import settings_pb2, settings_pb2_grpc
from libs.errors import FieldViolation, InvalidArgument
from libs.rpc.convert import timestamp
from services.campaigns.domain.settings import CampaignSettings
from services.campaigns.operations.settings import SettingsKeeping
from services.campaigns.rpc.requests import org_id

_Context = grpc.aio.ServicerContext[Any, Any]

_FEATURES: Final = (
    "strict_batching",
    "phone_line_health_check",
    "transcript_analysis",
    "cost_tracking",
    "export_functionality",
)
# The least of each limit; 0 brings back the default.
_LIMITS: Final = {
    "max_concurrent_calls": 1,
    "max_campaign_size": 1,
    "max_file_upload_size": 1024,
    "cron_cadence_seconds": 5,
}


class CampaignSettingsServicer(settings_pb2_grpc.CampaignSettingsServiceServicer):
    def __init__(self, settings: SettingsKeeping) -> None:
        self._settings = settings

    async def GetCampaignSettings(
        self, request: settings_pb2.GetCampaignSettingsRequest, context: _Context
    ) -> settings_pb2.CampaignSettings:
        return _to_proto(await self._settings.get(org_id=org_id()))

    async def UpdateCampaignSettings(
        self, request: settings_pb2.UpdateCampaignSettingsRequest, context: _Context
    ) -> settings_pb2.CampaignSettings:
        updated = await self._settings.update(_changes(request), org_id=org_id(), etag=request.etag)
        return _to_proto(updated)


def _changes(request: settings_pb2.UpdateCampaignSettingsRequest) -> dict[str, Any]:
    sent = {field.name for field, _ in request.ListFields()}.intersection((*_FEATURES, *_LIMITS))
    values: dict[str, Any] = {name: getattr(request, name) for name in sent}
    violations = [
        FieldViolation(name, f"must be 0 or at least {least}")
        for name, least in _LIMITS.items()
        if 0 < values.get(name, 0) < least
    ]
    if violations:
        raise InvalidArgument(violations=violations)
    return {name: (value or None) if name in _LIMITS else value for name, value in values.items()}


def _to_proto(settings: CampaignSettings) -> settings_pb2.CampaignSettings:
    return settings_pb2.CampaignSettings(
        strict_batching=settings.strict_batching,
        phone_line_health_check=settings.phone_line_health_check,
        transcript_analysis=settings.transcript_analysis,
        cost_tracking=settings.cost_tracking,
        export_functionality=settings.export_functionality,
        max_concurrent_calls=settings.cap_max,
        max_campaign_size=settings.campaign_size_max,
        max_file_upload_size=settings.file_bytes_max,
        cron_cadence_seconds=settings.cadence_seconds,
        etag=str(settings.version),
        updated_at=timestamp(settings.updated_at),
    )
